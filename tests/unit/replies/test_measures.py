"""Sizes, durations and counts as people read them."""

import pytest

from dispatcher.replies.measures import duration, number, size


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1500, "1,5 kB"), (9960, "10 kB"),
        (57_340_000, "57,3 MB"), (999_499, "999 kB"), (999_600, "1 MB"), (410_000_000, "410 MB"),
        (1_294_000_000, "1,3 GB"), (10**16, "10.000 TB"),
    ],
)  # fmt: skip
def test_a_size_has_the_unit_that_makes_it_short(count, shown):
    """Never more than three digits before the unit, while there is a larger one."""
    assert shown == size(count, "pt_BR").replace("\u00a0", " ")


def test_each_language_has_its_own_signs():
    """A comma for the fraction in Portuguese, a point in English."""
    assert ("1,3\u00a0GB", "1.3\u00a0GB") == (size(1_294_000_000, "pt_BR"), size(1_294_000_000, "en"))
    assert ("1.234", "1,234") == (number(1234, "pt_BR"), number(1234, "en"))


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"), (3569, "59 min"), (3599, "1 h 00 min"),
     (3900, "1 h 05 min"), (100_000, "27 h 47 min")],
)  # fmt: skip
def test_a_duration_is_as_exact_as_it_helps(seconds, shown):
    """Seconds below a minute, minutes above."""
    assert shown == duration(seconds, "pt_BR").replace("\u00a0", " ")
