"""Whether runs are recorded is a setting; without it, nothing of ARA is touched or needed."""

import pytest
import yaml

from dispatcher.errors import SettingsError
from dispatcher.runs import ara
from dispatcher.settings import Runs, Settings, load


@pytest.fixture
def installed(monkeypatch):
    """An environment that has ARA."""
    monkeypatch.setattr("dispatcher.settings.find_spec", lambda _name: object())


def test_nothing_is_recorded_unless_asked_for(tmp_path):
    """Without the setting no variable is passed on, and no folder is made."""
    assert {} == ara.environment(Settings(state_dir=tmp_path))
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("where", ["local", "http://127.0.0.1:8000"])
def test_switched_on_and_not_installed(tmp_path, monkeypatch, where):
    """The settings say at once which key wants what is not there, and what to install."""
    monkeypatch.setattr("dispatcher.settings.find_spec", lambda _name: None)
    path = tmp_path / "settings.yml"
    path.write_text(yaml.safe_dump({"runs": {"ara": where}}))
    with pytest.raises(SettingsError, match=r"runs\.ara: .*requirements/runtime-ara\.txt"):
        load(path)


@pytest.mark.parametrize(
    "where", ["", "sim", "ftp://127.0.0.1", "http://user:word@127.0.0.1:8000", "http://a b"]
)
def test_what_is_no_place_to_record(installed, where):
    """Anything but the two forms is refused with an example; a password has no place in the address."""
    with pytest.raises(ValueError, match=r"esperado: local, ou o endereço"):
        Runs(ara=where)
