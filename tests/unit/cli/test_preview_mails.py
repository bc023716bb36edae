"""athome preview-mails: a folder that a designer opens in a browser."""

import re

import pytest
import yaml
from click.testing import CliRunner

from dispatcher.cli import athome
from dispatcher.replies.samples import SAMPLES


@pytest.fixture(scope="module")
def branded(tmp_path_factory):
    """Settings with a branding of their own, and secrets that nobody here can read."""
    folder = tmp_path_factory.mktemp("settings")
    document = {
        "mail": {"address": "robo@example.org", "authserv_id": "mail.example.org"},
        "tokens": {"pepper_file": str(folder / "absent")},
        "branding": {"name": "Telefonia <Sul>", "color": "#123456", "footer": "Ramal 9"},
    }
    (folder / "settings.yml").write_text(yaml.safe_dump(document))
    return folder / "settings.yml"


@pytest.fixture(scope="module")
def written(branded, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mails")
    command = ["--settings", str(branded), "preview-mails", str(folder / "new"), "--language", "en"]
    done = CliRunner().invoke(athome, command, catch_exceptions=False)
    assert 0 == done.exit_code, done.output
    assert str(folder / "new" / "index.html") in done.output
    return folder / "new"


def test_each_mail_is_there_thrice(written):
    """As a browser shows it, as text, and as a mail program opens it."""
    expected = {f"{name}.{ending}" for name in SAMPLES for ending in ("html", "txt", "eml")}
    assert expected | {"index.html", "logo.png"} == {file.name for file in written.iterdir()}
    assert (written / "logo.png").read_bytes().startswith(b"\x89PNG")


def test_they_look_like_the_settings_say(written):
    """Name, colour, footer, address and language; the logo is a file, as a browser knows no cid."""
    html, text = (written / "done.html").read_text(), (written / "done.txt").read_text()
    assert 'lang="en"' in html
    assert "Telefonia &lt;Sul&gt;" in html
    assert "#123456" in html
    assert 'src="logo.png"' in html
    assert text.rstrip().endswith("Ramal 9")
    assert "robo@example.org" in (written / "help.html").read_text()


def test_one_page_shows_them_all(written):
    """Each at the width of a telephone and of a desk."""
    page = (written / "index.html").read_text()
    frames = re.findall(r'<iframe src="([^"]+)" width="(\d+)"', page)
    assert {(f"{name}.html", width) for name in SAMPLES for width in ("360", "760")} == set(frames)
    assert "Telefonia &lt;Sul&gt;" in page


def test_a_folder_that_cannot_be_written_is_said(tmp_path, branded):
    """A sentence, no traceback."""
    (tmp_path / "file").touch()
    command = ["--settings", str(branded), "preview-mails", str(tmp_path / "file" / "inside")]
    error = CliRunner().invoke(athome, command).exception
    assert "Não é possível gravar" in str(error)


def test_settings_that_are_named_have_to_be_there(tmp_path):
    """Only where nothing was named, the project's own branding is shown."""
    command = ["--settings", str(tmp_path / "absent.yml"), "preview-mails", str(tmp_path)]
    assert "não existe" in str(CliRunner().invoke(athome, command).exception)
