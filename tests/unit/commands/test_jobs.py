"""STATUS and CANCELAR as they are written."""

import pytest

from dispatcher.commands import InvalidCommand
from dispatcher.commands.parser import parse
from tests.unit.inventories import FLEET


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("STATUS", "STATUS"),
        ("status 12", "STATUS 12"),
        ("STATUS=12", "STATUS 12"),
        ("Status: #12", "STATUS 12"),
        ("CANCELAR 12", "CANCELAR 12"),
        ("cancel job 12", "CANCELAR 12"),
        ("CANCELAR 12 SIMULAR", "CANCELAR 12 SIMULAR"),
    ],
)
def test_a_job_is_named_by_its_number(written, canonical):
    """With or without a sign before it, in any case, also by the English word."""
    assert canonical == parse(written, FLEET).subject


@pytest.mark.parametrize(
    ("written", "code", "corrected"),
    [
        ("CANCELAR", "job.number_missing", "STATUS"),
        ("CANCELAR tudo", "job.number", "STATUS"),
        ("CANCELAR 12 e 13", "job.number", "CANCELAR 12"),
        ("CANCELAR 12 SIMULR", "job.number", "CANCELAR 12 SIMULAR"),
        ("STATUS do 12", "job.number", "STATUS 12"),
        ("STATUS 0", "job.number", "STATUS"),
        ("STATUS 99999999999999999999", "job.number", "STATUS"),
        ("CANCELAR 2147483648 SIMULAR", "job.number", "STATUS SIMULAR"),
    ],
)
def test_what_is_no_number_is_answered_with_a_subject_to_copy(written, code, corrected):
    """The command for the number that is in it, else the one that shows the numbers."""
    with pytest.raises(InvalidCommand) as caught:
        parse(written, FLEET)
    assert (code, corrected) == (caught.value.problems[0].code, caught.value.corrected)
    assert corrected == parse(corrected, FLEET).subject
