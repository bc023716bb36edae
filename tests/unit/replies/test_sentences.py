"""Codes become sentences, and data stays data."""

import ast
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.replies.sentences import ENTRIES, NOTICES, PROBLEMS, RESULTS, advice, sentence
from dispatcher.replies.visible import visible
from dispatcher.settings import PROJECT


def literals(*folders: str) -> set[str]:
    """Every string that stands in the sources, f-strings aside."""
    found = set()
    for folder in folders:
        for path in (PROJECT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_bytes())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


def test_every_code_of_the_sources_has_a_sentence():
    """A parser's, runner's or worker's code without a row in the table is named here."""
    codes = {
        text
        for text in literals("dispatcher/commands", "dispatcher/runs", "dispatcher/jobs")
        if re.fullmatch(
            r"(subject|command|field|address|extensions?|mac|moment|window|server|host|ansible|run)\.[a-z_]+",
            text,
        )
    }
    assert {"address.invalid", "host.unreachable", "run.crashed"} <= codes
    assert set() == codes - set(ENTRIES) - {"ansible.cfg"}


@pytest.mark.parametrize(
    ("role", "area"),
    [("fail2ban_access", "fail2ban"), ("mac_binding", "mac_binding"), ("audio_collection", "audio")],
)
def test_every_code_of_a_role_has_a_sentence(role, area):
    """What the role's documentation lists is what the table has, and the other way round."""
    readme = (PROJECT / "roles" / role / "README.md").read_text()
    codes = set(re.findall(rf"^\| `({area}\.[a-z_]+)` \|", readme, re.MULTILINE))
    assert len(codes) >= 20
    ours = {".".join(code.split(".")[:2]) for code in RESULTS | NOTICES if code.startswith(f"{area}.")}
    assert ours == codes


@pytest.mark.parametrize("language", ["pt_BR", "en"])
@pytest.mark.parametrize("code", sorted(ENTRIES))
def test_a_sentence_is_one_also_without_data(code, language):
    """It starts with a capital letter or a value, ends as sentences end, and shows no placeholder."""
    for text in (sentence(code, {}, language), sentence(code, {}, language, check=True)):
        assert text == text.strip()
        assert not re.search(r"[{}%]", text)
        assert re.search(r"[.)]$", text)
        assert text[0].isupper() or text[0] == "(" or text.startswith("fail2ban")


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_a_problem_says_what_was_expected(code):
    """Whoever made a mistake reads what would be right, not only what is wrong."""
    assert re.search(r"Esperado:|são:|depois do sinal =", sentence(code, {}, "pt_BR"))


@pytest.mark.parametrize("code", [code for code in RESULTS if not RESULTS[code].headline])
def test_a_failure_has_an_advice(code):
    """Every failure tells what to do, but for one that no mail can cause; some bring a new preview."""
    assert advice(code, "en") or code == "fail2ban.invalid_address" or code.startswith("preview.")


def test_lists_are_written_as_people_write_them():
    """Jails are joined with commas and an "e"."""
    said = sentence("fail2ban.unbanned", {"jails": ["asterisk", "recidive", "sshd"]}, "pt_BR")
    assert (
        "Estava bloqueado em asterisk, recidive e sshd; foi desbloqueado e está na lista permanente." == said
    )


def test_a_preview_says_what_would_happen():
    """Nothing that was not done is said to be done."""
    said = sentence("fail2ban.unbanned", {"jails": ["sshd"]}, "pt_BR", check=True)
    assert "Está bloqueado em sshd; seria desbloqueado e posto na lista permanente." == said


def test_a_look_alike_is_told_by_its_number():
    """A Cyrillic letter looks like a Latin one; its number does not."""
    assert "(U+0421)" in sentence("subject.not_ascii", {"character": "С"}, "pt_BR")


MISMATCH = {"extension": "3010", "mac_before": "010203040506", "present": "00005e0053aa"}


def test_macs_are_shown_in_groups_and_none_is_a_word():
    """Twelve digits in a row are hard to compare with a label; an empty MAC is nobody's forgotten value."""
    changed = {"extension": "3010", "mac_before": "010203040506", "mac_after": "00005e0053aa"}
    assert "O MAC do ramal 3010 mudou de 01:02:03:04:05:06 para 00:00:5e:00:53:aa." == sentence(
        "mac_binding.changed", changed, "pt_BR"
    )
    assert sentence("mac_binding.undone", changed | {"mac_after": ""}, "pt_BR").endswith("para nenhum.")
    assert sentence("mac_binding.undone", changed | {"mac_after": ""}, "en").endswith("to none.")


def test_the_true_mac_is_said_to_the_privileged_alone():
    """Whoever may not know it does not read it, in either language."""
    for language in ("pt_BR", "en"):
        assert "53:aa" not in sentence("mac_binding.mismatch", MISMATCH, language)
        assert "53:aa" in sentence("mac_binding.mismatch", MISMATCH, language, privileged=True)
    none = sentence("mac_binding.mismatch", MISMATCH | {"present": ""}, "pt_BR", privileged=True)
    assert none.endswith("MAC gravado: nenhum.")


def test_files_that_disagree_are_listed_with_what_each_says():
    """The administrator sees which file has which MAC, and which has none."""
    macs = {"/etc/asterisk/users.conf": "00005e0053aa", "/etc/asterisk/macs.csv": ""}
    values = [{"file": file, "mac": mac} for file, mac in macs.items()]
    said = sentence("mac_binding.files_disagree", {"values": values}, "pt_BR", privileged=True)
    assert said.endswith("/etc/asterisk/users.conf: 00:00:5e:00:53:aa e /etc/asterisk/macs.csv: nenhum.")
    assert "53" not in sentence("mac_binding.files_disagree", {"values": values}, "pt_BR")


def test_an_unknown_code_is_shown_as_it_is():
    """A newer role's code is no crash and no empty mail."""
    assert "O servidor respondeu com o código fail2ban.new_thing." == sentence(
        "fail2ban.new_thing", {}, "pt_BR"
    )


@given(st.text(), st.sampled_from(sorted(ENTRIES)), st.sampled_from(["pt_BR", "en"]))
def test_data_is_never_a_template(value, code, language):
    """Whatever a value looks like, the sentence around it stays, and the value is in it as text."""
    names = (
        "jails",
        "error",
        "task",
        "msg",
        "rule",
        "network",
        "jail",
        "known",
        "character",
        "text",
        "address",
        "extension",
        "mac_before",
        "mac_after",
        "present",
    )
    said = sentence(code, dict.fromkeys(names, value), language, privileged=True)
    plain = sentence(code, dict.fromkeys(names, "\u2603"), language, privileged=True)
    if visible(value):
        expected = plain.replace("U+2603", f"U+{ord(visible(value)[0]):04X}")
        assert expected.replace("\u2603", visible(value)) == said


@pytest.mark.parametrize("value", ["{0.__class__}", "{jails}", "%(x)s", "{{ 7*7 }}", "{", "}"])
def test_format_strings_in_data_are_shown(value):
    """Nothing is evaluated, and nothing breaks."""
    assert f"O fail2ban deu um erro: {value}" == sentence("fail2ban.error", {"error": value}, "pt_BR")


@given(st.text(max_size=2000))
def test_what_is_shown_can_be_seen(text):
    """No control, format or surrogate character, no new line, at most the limit; twice is as once."""
    shown = visible(text, 100)
    assert len(shown) <= 100
    assert not any(
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for character in shown
    )
    assert shown == visible(shown, 100)
    shown.encode()


def test_a_tower_of_accents_is_cut_down():
    """Combining characters cannot cover the lines above; Vietnamese keeps both of its marks."""
    assert "Z\u0301\u0301" == visible("Z" + "\u0301" * 200)
    assert "e\u0302\u0301" == visible("e\u0302\u0301")
