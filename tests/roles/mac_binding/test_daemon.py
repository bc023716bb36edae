"""How the daemon is told and looked at: real programs and HTTP servers that answer, refuse, hang and lie."""

import base64
import os
import signal
from pathlib import Path

import pytest

from tests.roles.mac_binding.machine import (
    BOTH,
    NEW,
    NEW_BOTH,
    OLD,
    Answer,
    Daemon,
    notices,
    on_pythons,
    wait_for,
)  # fmt: skip

TOKEN = "7E57C0DE-invented-token"


def alive(pid):
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def ending(result):
    return result["code"].removeprefix("mac_binding."), result["data"].get("how")


@pytest.fixture
def daemon():
    """A function that starts an HTTP daemon with these answers; all end with the test."""
    made = []

    def start(*answers):
        made.append(Daemon(list(answers) or [Answer()]))
        return made[-1]

    yield start
    for each in made:
        each.__exit__()


def by_http(daemon, **more):
    return {"type": "http", "url": f"{daemon.url}/events", "timeout": 1, **more}


def reversed_(events):
    """Whether the last event takes back the one before it, field by field."""
    first, back = events[-2:]
    return back == {
        **first,
        "transaction": f"{first['transaction']}-reverse",
        "reverses": first["transaction"],
        "mac_before": first["mac_after"],
        "mac_after": first["mac_before"],
        "action": {"change": "change", "add": "remove", "remove": "add"}[first["action"]],
    }


# ------------------------------------------------------------------------------------------------- programs


@on_pythons("2.7", "3.11")
@pytest.mark.parametrize(
    ("ends", "how"),
    [("exit 1", "refused"), ("exit 126", "refused"), ("exit 69", "no_answer"), ("exit 75", "no_answer"),
     ("kill -9 $$", "no_answer"), ("kill -15 $$", "no_answer")],
)  # fmt: skip
def test_a_program_that_does_not_accept(machine, python, ends, how):
    """Whatever other than 0 the program ends with, both files go back, and it hears of that."""
    machine.misbehave(f"echo 'call in progress' >&2; {ends}")
    result = machine.module(python=python)
    assert ("notify_failed", how) == ending(result)
    assert result["data"]["error"] == "call in progress"
    assert BOTH == machine.files()
    assert reversed_(machine.events())
    assert ("reverse_failed" in notices(result)) == (how != "refused")
    assert not (machine.state / "journal").exists()


@pytest.mark.parametrize(("before", "after", "extension"), [(OLD, "", "3010"), ("", NEW, "3012")])
def test_the_reverse_of_a_removal_is_an_addition(machine, before, after, extension):
    """The message of the way back has the MACs exchanged and the action that belongs to them."""
    machine.misbehave("exit 1")
    machine.module(before, after, extension=extension)
    assert reversed_(machine.events())
    assert BOTH == machine.files()


@on_pythons("2.7")
def test_a_program_that_hangs(machine, python):
    """A program without an answer is ended in time with everything that it started, and the files go back."""
    machine.misbehave("sleep 1000 & echo $$ $! >> pids; wait")
    result = machine.module(
        python=python, notify={"type": "command", "command": [str(machine.notify)], "timeout": 1}
    )
    assert ("notify_failed", "no_answer") == ending(result)
    assert "reverse_failed" in notices(result)
    assert BOTH == machine.files()
    pids = (machine.daemon / "pids").read_text().split()
    assert 4 == len(pids)  # the change and its reverse
    wait_for(lambda: not any(map(alive, pids)))


def test_a_hanging_program_that_has_done_it_hears_of_the_way_back(machine):
    """A daemon that did it and gave no answer is told of the reverse, and has the old MAC again."""
    machine.misbehave('case "$event" in *reverse*) ;; *) sleep 1000;; esac')
    result = machine.module(notify={"type": "command", "command": [str(machine.notify)], "timeout": 1})
    assert ("notify_failed", "no_answer") == ending(result)
    assert {} == {name: data for name, data in notices(result).items() if name != "group_bit"}
    assert (OLD, BOTH) == (machine.believes(), machine.files())


@on_pythons("2.7")
def test_retries(machine, python):
    """Without an answer the same message comes again, as often as wanted, and then it counts."""
    machine.misbehave("[ $(wc -l < events) -ge 2 ] || exit 75")
    notify = {"type": "command", "command": [str(machine.notify)], "retries": 1, "delay": 1}
    result = machine.module(python=python, notify=notify)
    assert "mac_binding.changed" == result["code"]
    assert NEW_BOTH == machine.files()
    assert [result["data"]["transaction"]] * 2 == [event["transaction"] for event in machine.events()]


@on_pythons("2.7")
@pytest.mark.parametrize("then", ["rm -f ../notify", "echo exit 1 > misbehave"])
def test_an_earlier_silence_counts_whatever_the_last_try_says(machine, python, then):
    """Who took the event and said nothing may have done it, though the next try finds a refusal or nobody."""
    machine.misbehave(f"{then}; exit 75")
    notify = {"type": "command", "command": [str(machine.notify)], "retries": 1}
    result = machine.module(python=python, notify=notify)
    assert ("notify_failed", "no_answer") == ending(result)
    assert "reverse_failed" in notices(result)
    assert BOTH == machine.files()


@on_pythons("2.7")
def test_words_with_accents_on_the_way_back(machine, python):
    """What the daemon says is Portuguese, and the way back finds an edit: both are told, on every Python."""
    machine.misbehave(f"echo ';' >> '{machine.macs}'; echo 'não é possível' >&2; exit 1")
    result = machine.module(python=python)
    assert ("mac_binding.not_restored", [str(machine.macs)]) == (result["code"], result["data"]["files"])
    assert "não é possível" in result["msg"]
    assert BOTH["users.conf"] == machine.users.read_bytes()


def test_a_refusal_is_final(machine):
    """A daemon that says no is not asked again."""
    machine.misbehave("exit 1")
    machine.module(notify={"type": "command", "command": [str(machine.notify)], "retries": 5})
    assert ["change", "change"] == [event["action"] for event in machine.events()]
    assert reversed_(machine.events())


@pytest.mark.parametrize("program", ["/nowhere/program", "{folder}", "{folder}/etc/users.conf"])
def test_a_program_that_cannot_be_started(machine, program):
    """Without a program to start nobody was told, so there is nothing to take back with anybody."""
    program = program.format(folder=machine.folder)
    result = machine.module(notify={"type": "command", "command": [program]})
    assert ("notify_failed", "unreached") == ending(result)
    assert program in result["data"]["error"]
    assert "reverse_failed" not in notices(result)
    assert BOTH == machine.files()


def test_a_program_without_arguments(machine):
    """A program may be given as one text."""
    shown = machine.folder / "shown"
    shown.write_text(f"#!/bin/sh\ncat {machine.daemon}/events\n")
    shown.chmod(0o755)
    notify = {"type": "command", "command": str(machine.notify)}
    verify = {"type": "command", "command": str(shown)}
    assert "mac_binding.changed" == machine.module(notify=notify, verify=verify)["code"]


def test_arguments_are_data(machine):
    """Arguments of the program reach it as they are: no shell reads them."""
    words = ["$(touch pwned)", "a b", "; id", "*", "João"]
    (machine.folder / "show").write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {machine.daemon}/words\n')
    (machine.folder / "show").chmod(0o755)
    machine.module(notify={"type": "command", "command": [str(machine.folder / "show"), *words]})
    assert words == (machine.daemon / "words").read_text().splitlines()


@on_pythons("2.7", "3.13")
def test_the_program_gets_usual_signals(machine, python):
    """The program can be ended by SIGTERM, SIGHUP and SIGINT, though the change itself ignores them."""
    machine.misbehave("grep SigIgn /proc/$$/status > ignored")
    machine.module(python=python)
    ignored = int((machine.daemon / "ignored").read_text().split()[1], 16)
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        assert not ignored & 1 << (number - 1)


@on_pythons("2.7", "3.6")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGINT])
def test_a_change_under_way_is_not_interrupted(machine, python, number):
    """A signal that a lost connection may bring does not stop a change that has begun."""
    machine.misbehave("touch told; while [ ! -f go ]; do sleep 0.01; done")
    run = machine.popen(python=python)
    wait_for((machine.daemon / "told").exists)
    run.send_signal(number)
    (machine.daemon / "go").touch()
    assert "mac_binding.changed" == machine.result(run)["code"]
    assert NEW_BOTH == machine.files()


def test_expect(machine):
    """With `expect` success alone is no acceptance: the answer must have the text."""
    machine.misbehave("echo '{\"applied\": false}'")
    notify = {"type": "command", "command": [str(machine.notify)], "expect": '"applied": true'}
    result = machine.module(notify=notify)
    assert ("notify_failed", "refused") == ending(result)
    assert BOTH == machine.files()
    machine.misbehave("echo '{\"applied\": true}'")
    assert "mac_binding.changed" == machine.module(notify=notify)["code"]


# ----------------------------------------------------------------------------------------------------- HTTP


@on_pythons("2.7", "3.11")
def test_http(machine, daemon, python):
    """The event is posted as JSON with the transaction as its idempotency key, and the token from a file."""
    token = machine.folder / "token"
    token.write_text(f"{TOKEN}\nsecond line\n")
    served = daemon(Answer(204, b""))
    result = machine.module(python=python, notify=by_http(served, token_file=str(token)))
    assert "mac_binding.changed" == result["code"]
    ((method, path, headers, _body),) = served.requests
    assert ("POST", "/events", "application/json", f"Bearer {TOKEN}", result["data"]["transaction"]) == (
        method, path, headers["Content-Type"], headers["Authorization"],
        {name.lower(): value for name, value in headers.items()}["idempotency-key"],
    )  # fmt: skip
    assert [(OLD, NEW)] == [(event["mac_before"], event["mac_after"]) for event in served.events()]
    assert TOKEN not in str(result)


ELSEWHERE = (("Location", "http://127.0.0.1:9/"),)


@on_pythons("2.7", "3.13")
@pytest.mark.parametrize(
    ("answer", "how"),
    [
        (Answer(409, b"in a call"), "refused"),
        (Answer(401), "refused"),
        (Answer(307, headers=ELSEWHERE), "refused"),
        (Answer(302, headers=ELSEWHERE), "refused"),
        (Answer(500, b"\xe7" * 5000), "refused"),
        (Answer(way="reset"), "no_answer"),
    ],
    ids=lambda value: f"{value.status}-{value.way}" if isinstance(value, Answer) else "",
)
def test_http_that_does_not_accept(machine, daemon, python, answer, how):
    """Whatever is no 2xx sends both files back, and a reverse message after the event."""
    served = daemon(answer)
    result = machine.module(python=python, notify=by_http(served))
    assert ("notify_failed", how) == ending(result), result
    assert BOTH == machine.files()
    assert reversed_(served.events())
    assert ("reverse_failed" in notices(result)) == (how != "refused")


@on_pythons("2.7")
@pytest.mark.parametrize(
    "answer",
    [Answer(way="hang"), Answer(way="drip"), Answer(409, way="drip")],
    ids=lambda value: f"{value.status}-{value.way}",
)
def test_http_that_never_ends(machine, daemon, python, answer):
    """An answer that does not come, or drips, is given up in time; the daemon hears of the way back."""
    served = daemon(answer, Answer())
    result = machine.module(python=python, notify=by_http(served))
    assert ("notify_failed", "no_answer") == ending(result), result
    assert BOTH == machine.files()
    assert reversed_(served.events())
    assert "reverse_failed" not in notices(result)


@on_pythons("2.7", "3.11")
def test_http_that_breaks_off_its_refusal(machine, daemon, python):
    """A status without the body that it announces is no answer: the files go back, nothing is left open."""
    served = daemon(Answer(503, way="cut"))
    for _ in range(2):
        result = machine.module(python=python, notify=by_http(served))
        assert ("notify_failed", "no_answer") == ending(result), result
        assert BOTH == machine.files()
        assert not (machine.state / "journal").exists()


@on_pythons("2.7", "3.11")
@pytest.mark.parametrize("url", ["macs", "http://[::1", "http://127.0.0.1:port/", "127.0.0.1:8077/macs"])
def test_an_address_that_is_none(machine, python, url):
    """A slip of the pen in the address sends the files back and is named; the next run works."""
    result = machine.module(python=python, notify={"type": "http", "url": url})
    assert "mac_binding.notify_failed" == result["code"], result
    assert url in result["data"]["error"]
    assert BOTH == machine.files()
    assert "mac_binding.changed" == machine.module(python=python)["code"]


def test_nobody_listens(machine, daemon):
    """A daemon that is not there was not told: no reverse message, and the files as before."""
    served = daemon()
    url = served.url
    served.__exit__()
    result = machine.module(notify={"type": "http", "url": url})
    assert ("notify_failed", "unreached") == ending(result)
    assert "reverse_failed" not in notices(result)
    assert BOTH == machine.files()


def test_a_redirect_is_not_followed(machine, daemon):
    """Neither the event nor the token goes to where a redirect points."""
    token = machine.folder / "token"
    token.write_text(TOKEN)
    other = daemon()
    served = daemon(Answer(307, headers=(("Location", f"{other.url}/"),)))
    machine.module(notify=by_http(served, token_file=str(token)))
    assert [] == other.requests


def test_no_proxy_hears_of_it(machine, daemon):
    """A proxy in the environment gets neither event nor token."""
    proxy, served = daemon(), daemon()
    environment = {"http_proxy": proxy.url, "HTTP_PROXY": proxy.url}
    result = machine.module(environment=environment, notify=by_http(served))
    assert "mac_binding.changed" == result["code"]
    assert ([], 1) == (proxy.requests, len(served.requests))


@on_pythons("3.11")
def test_http_retries(machine, daemon, python):
    """After a reset the same event is posted again, and the second answer counts."""
    served = daemon(Answer(way="reset"), Answer())
    result = machine.module(python=python, notify=by_http(served, retries=1))
    assert "mac_binding.changed" == result["code"]
    assert [result["data"]["transaction"]] * 2 == [event["transaction"] for event in served.events()]


@pytest.mark.parametrize("content", [None, "", "\n", " \n"])
def test_a_token_that_is_not_there(machine, daemon, content):
    """Without its token file, or with an empty one, nothing is sent."""
    token = machine.folder / "token"
    if content is not None:
        token.write_text(content)
    served = daemon()
    result = machine.module(notify=by_http(served, token_file=str(token)))
    assert ("notify_failed", "unreached") == ending(result)
    assert str(token) in result["data"]["error"]
    assert ([], BOTH) == (served.requests, machine.files())


@on_pythons("2.7", "3.6")
def test_ari(machine, daemon, python):
    """ARI gets the event for its application with its own credentials, the event's fields as variables."""
    credentials = machine.folder / "credentials"
    credentials.write_text("athome:7E57C0DE\n")
    served = daemon(Answer(204, b""))
    notify = {
        "type": "ari", "url": f"{served.url}/ari/", "application": "arimonitor",
        "credentials_file": str(credentials), "timeout": 2,
    }  # fmt: skip
    assert "mac_binding.changed" == machine.module(python=python, notify=notify)["code"]
    ((method, path, headers, _body),) = served.requests
    assert ("POST", "/ari/events/user/MacChanged?application=arimonitor") == (method, path)
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"athome:7E57C0DE").decode()
    assert (OLD, NEW) == tuple(served.events()[0]["variables"][name] for name in ("mac_before", "mac_after"))


def test_ari_without_its_application(machine, daemon):
    """The 404 of ARI, no such application is connected, is a refusal: both files go back."""
    credentials = machine.folder / "credentials"
    credentials.write_text("athome:7E57C0DE\n")
    notify = {
        "type": "ari", "url": daemon(Answer(404)).url, "application": "arimonitor",
        "credentials_file": str(credentials),
    }  # fmt: skip
    assert ("notify_failed", "refused") == ending(machine.module(notify=notify))
    assert BOTH == machine.files()


# -------------------------------------------------------------------------------------------------- systemd


def systemctl(machine, script):
    """A folder with a systemctl that keeps its arguments and then does this; -> the environment."""
    folder = machine.folder / "bin"
    folder.mkdir(exist_ok=True)
    path = folder / "systemctl"
    path.write_text(f'#!/bin/sh\necho "$*" >> {machine.daemon}/systemctl\n{script}\n')
    path.chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


@on_pythons("2.7", "3.11")
def test_systemd(machine, python):
    """The unit is reloaded, and must be active afterwards."""
    notify = {"type": "systemd", "unit": "arimonitor.service"}
    environment = systemctl(machine, "exit 0")
    assert (
        "mac_binding.changed" == machine.module(python=python, notify=notify, environment=environment)["code"]
    )
    told = (machine.daemon / "systemctl").read_text().splitlines()
    assert ["reload arimonitor.service", "is-active arimonitor.service"] == told


@pytest.mark.parametrize("script", ["exit 5", 'if [ "$1" = is-active ]; then echo failed; exit 3; fi'])
def test_systemd_that_fails(machine, script):
    """A unit that cannot be restarted, or is not active then, sends both files back and is restarted."""
    notify = {"type": "systemd", "unit": "arimonitor", "action": "restart"}
    result = machine.module(notify=notify, environment=systemctl(machine, script))
    assert ("notify_failed", "refused") == ending(result)
    assert BOTH == machine.files()
    assert 2 == (machine.daemon / "systemctl").read_text().count("restart arimonitor\n")


def test_nobody_is_told_when_nobody_shall_be(machine):
    """With type none the change stands, and a notice says that nobody was told."""
    result = machine.module(notify={"type": "none"})
    assert ("mac_binding.changed", {}) == (result["code"], notices(result)["not_notified"])
    assert ([], NEW_BOTH) == (machine.events(), machine.files())


# --------------------------------------------------------------------------------------------------- verify


def shown(mac):
    return Answer(200, f'{{"extension": "3010", "mac": "{mac}"}}'.encode())


@on_pythons("2.7")
def test_verified_by_http(machine, daemon, python):
    """The change counts when the daemon shows the new MAC, in any notation, at the extension's address."""
    served = daemon(shown(OLD), shown("01-02-03-04-05-99"))
    verify = {"type": "http", "url": f"{served.url}/macs/{{extension}}", "retries": 1, "delay": 1}
    assert "mac_binding.changed" == machine.module(python=python, verify=verify)["code"]
    assert ["/macs/3010"] * 2 == [path for _method, path, _headers, _body in served.requests]
    assert NEW_BOTH == machine.files()


@on_pythons("2.7", "3.13")
@pytest.mark.parametrize(
    "answer",
    [shown(OLD), shown("1010203040599"), shown("x" + NEW), Answer(404), Answer(500, NEW.encode()),
     Answer(way="reset")],
    ids=lambda answer: f"{answer.status}-{answer.way}-{len(answer.body)}",
)  # fmt: skip
def test_not_verified(machine, daemon, python, answer):
    """A daemon that accepts and does not show the new MAC is not believed: everything goes back."""
    verify = {"type": "http", "url": f"{daemon(answer).url}/macs/{{extension}}", "timeout": 1}
    result = machine.module(python=python, verify=verify)
    assert "mac_binding.verify_failed" == result["code"]
    assert BOTH == machine.files()
    assert reversed_(machine.events())
    assert "undo" not in result


@on_pythons("2.7", "3.6")
def test_verified_by_a_program(machine, python):
    """A program's answer counts as well; the extension stands where it was asked for in its arguments."""
    show = machine.folder / "show"
    show.write_text(f'#!/bin/sh\necho "$@" > {machine.daemon}/asked\ngrep "$1" {machine.daemon}/events\n')
    show.chmod(0o755)
    verify = {"type": "command", "command": [str(show), "{extension}", "a b"]}
    assert "mac_binding.changed" == machine.module(python=python, verify=verify)["code"]
    assert "3010 a b\n" == (machine.daemon / "asked").read_text()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Answer(404, b"none"), "removed"),
        (shown(""), "removed"),
        (shown(OLD), "verify_failed"),
        (Answer(500), "verify_failed"),
        (Answer(401), "verify_failed"),
        (Answer(way="reset"), "verify_failed"),
    ],
    ids=lambda value: f"{value.status}-{value.way}-{len(value.body)}" if isinstance(value, Answer) else value,
)
def test_a_removal_is_verified(machine, daemon, answer, code):
    """A removal counts when the old MAC shows no more, or no such extension; an error is no proof."""
    verify = {"type": "http", "url": f"{daemon(answer).url}/macs/{{extension}}", "timeout": 1}
    assert f"mac_binding.{code}" == machine.module(OLD, "", verify=verify)["code"]
    assert (machine.files() == BOTH) == (code == "verify_failed")


@on_pythons("2.7", "3.11")
@pytest.mark.parametrize(("ends", "code"), [
    ("exit 1", "removed"), ("exit 2", "verify_failed"), ("no-such-program", "verify_failed"),
])  # fmt: skip
def test_a_removal_is_verified_by_a_program(machine, python, ends, code):
    """A program says by exit code 1 that it found none, as grep does; that it could not look is no proof."""
    verify = {"type": "command", "command": ["/bin/sh", "-c", ends]}
    assert f"mac_binding.{code}" == machine.module(OLD, "", python=python, verify=verify)["code"]
    assert (machine.files() == BOTH) == (code == "verify_failed")


def test_verify_asks_the_daemon(machine, daemon):
    """State verify fails when the files have the MAC and the daemon does not."""
    verify = {"type": "http", "url": f"{daemon(shown(NEW), shown(OLD)).url}/macs/{{extension}}"}
    assert "mac_binding.verify_failed" == machine.check("", OLD, state="verify", verify=verify)["code"]
    assert "mac_binding.verified" == machine.check("", OLD, state="verify", verify=verify)["code"]


def test_a_daemon_that_forgot_is_told_again(machine, daemon):
    """A repeated change tells a daemon that does not show the MAC; check mode only says that it would."""
    machine.module()
    served = daemon(shown(OLD), shown(OLD), shown(NEW))
    verify = {"type": "http", "url": f"{served.url}/macs/{{extension}}"}
    foretold = machine.check(verify=verify)
    assert ("mac_binding.told_again", 1) == (foretold["code"], len(machine.events()))
    assert "mac_binding.told_again" == machine.module(verify=verify)["code"]
    assert "mac_binding.already_changed" == machine.module(verify=verify)["code"]
    assert 2 == len(machine.events())


def test_a_daemon_that_cannot_be_told_again(machine, daemon):
    """Where telling it again fails nothing was changed, and the files keep the MAC."""
    machine.module()
    machine.misbehave("exit 1")
    verify = {"type": "http", "url": f"{daemon(shown(OLD)).url}/macs/{{extension}}"}
    result = machine.module(verify=verify)
    assert ("not_told_again", "refused") == ending(result)
    assert not result["changed"]
    assert NEW_BOTH == machine.files()
    assert "files are as before" not in result["msg"]
