"""The settings file: every mistake is named, and no secret is in it."""

import subprocess
import sys
from pathlib import Path

import pytest

from dispatcher import settings
from dispatcher.errors import SecretError, SettingsError

PROJECT = settings.PROJECT


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", ["docs/settings.example.yml", "lab/settings.yml"])
def test_the_files_that_the_project_ships_are_valid(path):
    """Whoever copies the example starts from something that loads."""
    assert settings.load(PROJECT / path).mail


def test_every_wrong_key_is_named_at_once(tmp_path):
    """A misspelt key is an error, and so is its neighbour, in one message."""
    path = write(tmp_path, "inventori: x\nruns: {concurrency: 0}\nbranding: {color: red}\n")
    with pytest.raises(SettingsError) as caught:
        settings.load(path)
    assert all(name in caught.value.problem for name in ("inventori", "runs.concurrency", "branding.color"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: [", "YAML"),
        ("timezone: Marte/Olimpo\n", "Marte"),
        ("- a\n- b\n", "dictionary"),
        ("language: fr\n", "language"),
    ],
)
def test_a_broken_file_is_a_sentence(tmp_path, text, word):
    """No traceback for a file that is no settings file."""
    with pytest.raises(SettingsError, match=word):
        settings.load(write(tmp_path, text))


def test_a_missing_file_says_where_to_get_one(tmp_path):
    """The way out names the example."""
    with pytest.raises(SettingsError, match=r"settings\.example\.yml"):
        settings.load(tmp_path / "none.yml")


def test_paths_are_relative_to_the_file(tmp_path):
    """Wherever the shell stands, the same files are meant."""
    loaded = settings.load(write(tmp_path, "inventory: fleet\nstate_dir: state\n"))
    assert (tmp_path / "fleet", tmp_path / "state") == (loaded.inventory, loaded.state_dir)
    assert f"sqlite:///{tmp_path}/state/athome.db" == loaded.job_store.url


def test_a_secret_comes_from_environment_credentials_or_file_in_this_order(tmp_path, monkeypatch):
    """systemd's credential beats the file, and the environment beats both."""
    file = tmp_path / "password"
    file.write_text("of-the-file\n")
    assert "of-the-file" == settings.read_secret(file, "ATHOME_TEST_PASSWORD")
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "password").write_text("of-systemd")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert "of-systemd" == settings.read_secret(file, "ATHOME_TEST_PASSWORD")
    monkeypatch.setenv("ATHOME_TEST_PASSWORD", "of-the-environment")
    assert "of-the-environment" == settings.read_secret(file, "ATHOME_TEST_PASSWORD")


def test_a_file_says_for_itself_what_is_wrong_with_it(tmp_path):
    """Before a file is put in place it can be judged: silence, or the sentence, and an exit code."""

    def judged(text):
        command = [sys.executable, "-m", "dispatcher.settings", write(tmp_path, text)]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    assert (0, "") == ((good := judged("language: en\n")).returncode, good.stdout + good.stderr)
    bad = judged("languag: en\n")
    assert bad.returncode != 0
    assert "languag" in bad.stderr
    assert "Traceback" not in bad.stderr


def test_an_empty_variable_is_no_password(tmp_path, monkeypatch):
    """An environment variable that was set to nothing counts as not set."""
    monkeypatch.setenv("ATHOME_TEST_PASSWORD", " ")
    with pytest.raises(SecretError, match="ATHOME_TEST_PASSWORD"):
        settings.read_secret(tmp_path / "password", "ATHOME_TEST_PASSWORD")


@pytest.mark.parametrize(
    "text",
    [
        "mail: {address: '<a@example.com>', authserv_id: x}",
        "mail: {address: josé@example.com, authserv_id: x}",
        "mail: {address: ops@localhost, authserv_id: x}",
        'branding: {name: "two\\nlines"}',
        "branding: {name: ''}",
    ],
)
def test_what_no_reply_could_be_written_with_is_found_at_the_start(tmp_path, text):
    """An address or a name that would break every mail is refused with the file, not with the first mail."""
    with pytest.raises(SettingsError, match=r"mail\.address|branding\.name"):
        settings.load(write(tmp_path, text))


@pytest.mark.parametrize("content", [None, "", "  \n"])
def test_a_missing_or_empty_secret_says_which_file_or_variable(tmp_path, content):
    """An empty password is never tried on a server."""
    if content is not None:
        (tmp_path / "password").write_text(content)
    with pytest.raises(SecretError, match="ATHOME_TEST_PASSWORD"):
        settings.read_secret(tmp_path / "password", "ATHOME_TEST_PASSWORD")


def test_a_short_pepper_is_refused(tmp_path):
    """A guessable key would make the stored tokens guessable."""
    (tmp_path / "pepper").write_text("short")
    with pytest.raises(SecretError, match="openssl rand"):
        settings.Tokens(pepper_file=tmp_path / "pepper").pepper()
