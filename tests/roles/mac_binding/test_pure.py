"""The module's pure functions: MACs in every notation, and the three file formats byte for byte."""

import json
import re
import subprocess
import sys

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.roles.mac_binding.machine import MACS, NEW, OLD, PATTERN, USERS

DIGITS = st.text("0123456789abcdef", min_size=12, max_size=12)
SEPARATORS = [("", 12), *((mark, size) for mark in ":-. " for size in (2, 4))]


def spelled(digits, mark, size):
    return mark.join(digits[at : at + size] for at in range(0, 12, size))


@given(DIGITS, st.sampled_from(SEPARATORS), st.booleans())
def test_reads_every_notation(module, digits, way, upper):
    """A MAC with groups of two or four digits, any usual mark and either case is the same MAC."""
    text = spelled(digits, *way)
    assert digits.encode() == module.bare((text.upper() if upper else text).encode())


@pytest.mark.parametrize(
    "bad",
    [
        "01020304050", "0102030405060", "01:02:03-04:05:06", "010203-040506", "0102:0304.0506",
        "01:02:03:04:05",
        "01:02:03:04:05:06:", ":010203040506", "01 02 03 04 05 06 07", "g10203040506", "010203040506\n",
        "٠10203040506", "0x0102030405", "1:2:3:4:5:6", "{{ 7*7 }}", "$(id)", "\x00" * 12, "", "9" * 100_000,
    ],
    ids=lambda bad: ascii(bad)[:20],
)  # fmt: skip
def test_refuses_what_is_no_mac(module, bad):
    """What is not twelve digits in one consistent notation is no MAC."""
    assert module.bare(bad.encode()) is None


ANY = st.text() | st.integers() | st.none() | st.just("\ud800") | DIGITS | st.just(" 01:02:03:04:05:06 ")


@given(ANY)
def test_any_argument_is_a_mac_nothing_or_refused(module, value):
    """Whatever comes as a MAC gives twelve lower-case digits, nothing, or a refusal with an example in it."""
    try:
        mac = module.valid_mac("mac_after", value)
    except module.Stop as stop:
        assert stop.code.removeprefix("mac_binding.") in ("invalid_mac", "all_zeros", "all_ones")
        assert stop.data["field"] == "mac_after"
        assert len(stop.msg) < 300
    else:
        assert mac == b"" or re.fullmatch(b"[0-9a-f]{12}", mac)


@given(DIGITS, DIGITS, st.sampled_from(SEPARATORS), st.booleans())
def test_writes_as_the_old_one_was(module, old, new, way, upper):
    """With `auto` the new MAC has the old one's marks and case, whatever the rest of the file has."""
    assume(re.search("[a-f]", old))
    case = str.upper if upper else str.lower
    others = [b"00:00:5E:00:53:11", b"0000.5e00.5312"]
    assert (
        case(spelled(new, *way)).encode()
        == module.written(new.encode(), case(spelled(old, *way)).encode(), others)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("others", "notation", "case", "expected"),
    [
        ([], "auto", "auto", b"0a0203040599"),
        ([b"00-00-5E-00-53-11", b"00-00-5E-00-53-12", b"00005e005313"], "auto", "auto", b"0A-02-03-04-05-99"),
        ([b"nonsense"], "auto", "auto", b"0a0203040599"),
        ([b"00005E005311"], "auto", "lower", b"0a0203040599"),
        ([b"00005e005311"], "plain", "upper", b"0A0203040599"),
        ([b"00005e005311"], "colon", "auto", b"0a:02:03:04:05:99"),
        ([b"00005e005311"], "dash", "auto", b"0a-02-03-04-05-99"),
        ([b"00:00:5E:00:53:11"], "cisco", "auto", b"0A02.0304.0599"),
    ],
)
def test_writes_an_addition_as_the_file_does(module, others, notation, case, expected):
    """What is added is written as the inventory says, or else as most of the file's MACs are."""
    assert expected == module.written(b"0a0203040599", b"", others, notation, case)


# -------------------------------------------------------------------------------------- Asterisk's files


def ini(module, content, **more):
    spec = {
        "path": b"/etc/users.conf", "key": b"macaddress", "where": {}, "notation": "auto", "case": "auto",
        "on_remove": "auto", **more,
    }  # fmt: skip
    return module.Ini(spec, content)


def asterisk_reads(content):
    """[(section, key, value)] as Asterisk's loader goes through a file: a line, its marks, the next mark.

    Written from how the loader works, not from how the module does: it builds the text that stays instead of
    blanking out what goes. Templates are left out. None: a --; without its ;-- makes the loader lose count.
    """
    found, section, depth = [], None, 0
    for line in content.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        stays, rest = b"", line
        while b";" in rest:
            before, after = rest.split(b";", 1)
            if before.endswith(b"\\"):
                stays += b"" if depth else before + b";"
                rest = after
            elif after.startswith(b"--") and not after.startswith(b"---"):
                stays += b"" if depth else before + b" "
                depth, rest = depth + 1, after[2:]
            elif depth and before.endswith(b"--"):
                depth, rest = depth - 1, after
            elif depth:
                rest = after
            elif before.endswith(b"--"):
                return None
            else:
                stays, rest = stays + before, b""
        stays = (stays if depth else stays + rest).strip()
        if stays.startswith(b"[") and b"]" in stays:
            section, options = stays[1:].split(b"]", 1)
            words = options[1:].split(b")")[0].split(b",") if options.startswith(b"(") else []
            section = None if b"!" in [word.strip() for word in words] else section.strip()
        elif b"=" in stays and not stays.startswith(b"[") and section:
            key, value = stays.split(b"=", 1)
            found.append((section, key.strip().lower(), value.removeprefix(b">").strip()))
    return found


TOKENS = [
    b"[3010]", b"[3011](ramal)", b"[ramal](!)", b"[3010](+)", b"[3012](!,a)", b"[3010", b"](", b"macaddress",
    b"MACADDRESS", b"secret", b"=", b"=>", b"=", b"010203040506", b"00:00:5E:00:53:11", b"x\xe7\xe3o", b" ",
    b"\t",
    b";", b";--", b"--;", b";---", b"-", b"\\;", b"\\", b"\r\n", b"\n", b"\n", b"\n", b"#include", b'"',
    b"\nmacaddress=010203040506", b"\n[3010]\n",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS)).map(b"".join))
@example(b"[3010]\n;--;\nmacaddress=010203040506\n")
@example(b"[3010]\n;-- x \\;-- --;\nmacaddress=010203040506\n")
@example(b"[3010] (!)\nmacaddress=010203040506\n")
@example(b"[3010]\nmacaddress = 0102\\;--03\n;-- a ;-- b --; c --;macaddress=010203040506 ;x\n")
@example(USERS)
@settings(max_examples=400)
def test_reads_what_asterisk_reads(module, content):
    """The settings that the module sees in a file are those that Asterisk sees, comments left out."""
    settings = asterisk_reads(content)
    assume(settings is not None)
    expected = [(section, value) for section, key, value in settings if key == b"macaddress"]
    assert expected == [(place.extension, place.value) for place in ini(module, content).places]


@given(st.binary(), st.integers(0, 3))
def test_comments_are_blanked_out_in_place(module, line, depth):
    """Without its comments a line has the same length and line end, and every byte that stays its place."""
    line = line.replace(b"\n", b"")
    for end in (b"", b"\n", b"\r\n"):
        text, deep = module.uncommented(line + end, depth)
        assert len(text) == len(line + end)
        assert deep >= 0
        assert text.endswith(end)
        assert all(new in (old, 0x20) for old, new in zip(line + end, text, strict=True))


LONG = [
    b"[1]\n" + line + b"\nmac = 1\n"
    for line in (b";" + b"-" * 8000, b" " * 8000, b"\t " * 4000 + b"x", b"[" * 8000, b"x" * 8000)
]
BIG = b"[t](!)\n" + b"".join(b"[%d](t)\nmac = 1\n" % number for number in range(20000))


@pytest.mark.parametrize(("content", "places"), [*((content, 1) for content in LONG), (BIG, 20000)])
def test_a_long_file_is_read_in_no_time(module, content, places):
    """A banner of thousands of signs, or thousands of extensions, take a moment and not minutes."""
    program = (
        "import sys, importlib.util as u; s = u.spec_from_file_location('m', sys.argv[1]); "
        "m = u.module_from_spec(s); s.loader.exec_module(m); "
        "spec = {'path': b'/x', 'key': b'mac', 'where': {}}; "
        "print(len(m.Ini(spec, sys.stdin.buffer.read()).places))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, module.__file__], input=content, capture_output=True, check=True,
        timeout=60,
    )  # fmt: skip
    assert done.stdout == b"%d\n" % places


# Lines with neither a section of ours nor a MAC's key: what people have in their files besides.
NOISE = st.one_of(
    st.binary(max_size=40).filter(lambda line: not set(b"\n[;=") & set(line)),
    st.sampled_from([
        b"", b"; coment\xe1rio ; duplo", b";-----------", b"secret = invented", b"secret=>invented\\;2",
        b'callerid = "Recep\xe7\xe3o" <3010>', b" \t", b'#include "x.conf"',
        b";-- macaddress = 00005e0053f0 --;",
        b";--\n[3010]\nmacaddress = 00005e0053f0\n--;", b"type => friend ; x", b"\xc3\xa7 = utf-8",
    ]),
)  # fmt: skip
ENDS = st.sampled_from([b"\n", b"\r\n"])
KEYS = st.sampled_from(
    [b"macaddress = ", b"macaddress=", b"\tMacAddress\t=>  ", b"macaddress => ", b";-- x --; macaddress = "]
)
TAILS = st.sampled_from([b"", b" ; mesa", b"\t;-- duas --;", b"   "])
SPELLINGS = st.sampled_from([OLD, "01:02:03:04:05:06", "01-02-03-04-05-06", "0102.0304.0506"]).map(str.encode)


@st.composite
def users_files(draw, value):
    """(content, offset of the value of [3010] or None): a whole file, others and a template in it."""
    parts, at = [], None

    def line(text):
        parts.append(text.replace(b"\n", end := draw(ENDS)) + end)

    def noise():
        for text in draw(st.lists(NOISE, max_size=3)):
            line(text)

    if draw(st.booleans()):
        parts.append(b"\xef\xbb\xbf")
    line(b"[general]")
    noise()
    line(b"[ramal](!)")
    noise()
    line(b"macaddress = 00005e0053ff")
    for name in draw(st.permutations([b"3009", b"3010", b"3011"])):
        line(b"[" + name + draw(st.sampled_from([b"]", b"](ramal)", b"](ramal) ; x"])))
        noise()
        if name == b"3010" and value is not None:
            before, tail = draw(KEYS), draw(TAILS)
            at = sum(map(len, parts)) + len(before)
            line(before + value + tail)
            noise()
        elif name == b"3009":
            line(draw(KEYS) + b"00:00:5E:00:53:11")
    content = b"".join(parts)
    return re.sub(rb"\r?\n\Z", b"", content) if draw(st.booleans()) else content, at


@given(st.data(), SPELLINGS)
def test_a_change_touches_the_value_alone(module, data, value):
    """A changed file is the old one but for the bytes of the value, and a second reading finds it new."""
    content, at = data.draw(users_files(value))
    (change,) = ini(module, content).changes(b"3010", NEW.encode())
    assert change.before == content
    assert (content[:at], content[at + len(value) :]) == (change.after[:at], change.after[at + len(value) :])
    assert len(content) == len(change.after)
    assert module.bare(change.after[at : at + len(value)]) == NEW.encode()
    assert ini(module, change.after).mac(b"3010") == NEW.encode()
    (back,) = ini(module, change.after).changes(b"3010", OLD.encode())
    assert content == back.after


@given(st.data())
def test_add_then_remove_gives_back_the_file(module, data):
    """What was added is taken out again without a trace, but for a line end that the last line lacked."""
    content, _at = data.draw(users_files(None))
    (added,) = ini(module, content).changes(b"3010", NEW.encode())
    assert ini(module, added.after).mac(b"3010") == NEW.encode()
    assert ini(module, added.after).mac(b"3009") == ini(module, content).mac(b"3009")
    (removed,) = ini(module, added.after).changes(b"3010", b"")
    assert removed.after in (content, content + b"\n", content + b"\r\n")
    lines = [line.rstrip(b"\r") for line in added.after.split(b"\n")]
    for line in content.split(b"\n"):
        lines.remove(line.rstrip(b"\r"))  # every old line is there still
    assert [NEW.encode()] == [
        module.bare(re.split(b"=>?", line)[1].strip()) for line in lines if line.strip()
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_added_line_ends_like_the_one_before(module, end):
    """A line that is added has the line end of the one that it follows, whatever the rest of the file has."""
    other = b"\r\n" if end == b"\n" else b"\n"
    before, after = b"[3010]" + other + b"x = y" + end, other + b"[3011]" + other
    (change,) = ini(module, before + after).changes(b"3010", NEW.encode())
    assert before + b"macaddress=010203040599" + end + after == change.after
    before, after = b"1;;" + other + b"2;00005e005311;" + end, b"# end" + other
    (change,) = lines(module, before + after).changes(b"3010", NEW.encode())
    assert before + b"3010;010203040599;" + end + after == change.after


@given(st.data(), SPELLINGS, st.sampled_from(["delete", "empty"]))
def test_a_removal_takes_the_setting_alone(module, data, value, on_remove):
    """Without the MAC every other line is as before, and what stood behind the value stays."""
    content, at = data.draw(users_files(value))
    (change,) = ini(module, content, on_remove=on_remove).changes(b"3010", b"")
    assert ini(module, change.after).mac(b"3010") == b""
    start = content.rindex(b"\n", 0, at) + 1
    end = content.index(b"\n", at) + 1 if b"\n" in content[at:] else len(content)
    assert change.after.startswith(content[:start])
    assert change.after.endswith(content[end:])
    left = change.after[start : len(change.after) - len(content[end:])]
    assert value not in left
    tail = content[at + len(value) : end].strip()
    assert tail in left
    if on_remove == "empty":
        assert content[:at] + content[at + len(value) :] == change.after


SELECTED = b"""\
[base](!)
type = phoneprov
[more](!,base)
x = y
[3010]
type = endpoint
mac = 00005e0053aa
[3010]
type=phoneprov ; the one
MAC = 010203040506
[3011](more)
MAC = 00005e005311
"""


def test_a_selector_tells_sections_of_one_name_apart(module):
    """With `where` only a section counts that has the setting, itself or from a template at any distance."""
    file = ini(module, SELECTED, key=b"MAC", where={b"type": b"phoneprov"})
    assert [(b"3010", OLD.encode()), (b"3011", b"00005e005311")] == [
        (place.extension, place.mac) for place in file.places
    ]
    (change,) = file.changes(b"3010", NEW.encode())
    assert SELECTED.replace(OLD.encode(), NEW.encode()) == change.after


def test_sections_of_one_name_are_ambiguous_without_a_selector(module):
    """Two places of one extension are refused with their lines."""
    with pytest.raises(module.Stop) as stop:
        ini(module, SELECTED, key=b"mac").mac(b"3010")
    assert ("mac_binding.ambiguous", [7, 10]) == (stop.value.code, stop.value.data["lines"])


# --------------------------------------------------------------------------------------------------- lists


def lines(module, content, pattern=PATTERN, line=b"{extension};{mac};", **more):
    spec = {
        "path": b"/etc/macs.csv", "pattern": re.compile(pattern.encode(), re.MULTILINE), "line": line,
        "notation": "auto", "case": "auto", "on_remove": "auto", **more,
    }  # fmt: skip
    return module.Lines(spec, content)


OTHER_LINES = st.one_of(
    st.binary(max_size=40).filter(lambda line: not re.search(rb"^\d+;|\n", line)),
    st.sampled_from(
        [b"# 3010;00005e005312;", b"", b"3011;00005E005311;Jo\xe3o", b"30100;00005e005313;", b"9;;x"]
    ),
)


@st.composite
def lists(draw, value):
    """(content, offset of 3010's value, offset of its line, of the next one): a list in any order."""
    parts, bounds = [], None
    texts = draw(st.lists(OTHER_LINES, max_size=6))
    ours = draw(st.integers(0, len(texts)))
    for number in range(len(texts) + 1):
        end = draw(ENDS)
        if number == ours and value is not None:
            start = sum(map(len, parts))
            parts.append(b"3010;" + value + b";Recep\xe7\xe3o" + end)
            bounds = start + 5, start, start + len(parts[-1])
        if number < len(texts):
            parts.append(texts[number] + end)
    content = b"".join(parts)
    return re.sub(rb"\r?\n\Z", b"", content) if draw(st.booleans()) else content, bounds


@given(st.data(), SPELLINGS)
def test_a_list_changes_by_the_value_alone(module, data, value):
    """In a list a change touches the MAC alone, and so does a removal: what else the line has, stays.

    Its reverse, an addition, gives back the very bytes. Only `delete` takes the line with what else it has.
    """
    content, (at, start, end) = data.draw(lists(value))
    (change,) = lines(module, content).changes(b"3010", NEW.encode())
    assert content[:at] + change.after[at : at + len(value)] + content[at + len(value) :] == change.after
    assert lines(module, change.after).mac(b"3010") == NEW.encode()
    (removed,) = lines(module, content, on_remove="delete").changes(b"3010", b"")
    assert content[:start] + content[end:] == removed.after
    for on_remove in ("auto", "empty"):
        (emptied,) = lines(module, content, on_remove=on_remove).changes(b"3010", b"")
        assert content[:at] + content[at + len(value) :] == emptied.after
        (added,) = lines(module, emptied.after, notation="plain").changes(b"3010", NEW.encode())
        assert content[:at] + NEW.encode() + content[at + len(value) :] == added.after


@given(st.data())
def test_a_list_gets_one_line_more(module, data):
    """An addition is one line among the others, which all stay; its removal gives back the list."""
    content, _bounds = data.draw(lists(None))
    (added,) = lines(module, content).changes(b"3010", NEW.encode())
    assert lines(module, added.after).mac(b"3010") == NEW.encode()
    assert len(added.after) <= len(content) + len("3010;01:02:03:04:05:99;\r\n")
    (removed,) = lines(module, added.after).changes(b"3010", b"")
    assert removed.after in (content, content + b"\n", content + b"\r\n")


def test_a_pattern_that_finds_the_old_line_and_not_the_new_one_is_refused(module):
    """What would not be read back after the change is refused before it."""
    with pytest.raises(module.Stop) as stop:
        lines(module, MACS, line=b"{extension},{mac}").changes(b"3012", NEW.encode())
    assert stop.value.code == "mac_binding.error"


@given(st.binary())
def test_any_bytes_can_be_read(module, content):
    """No content raises anything, in any format, and every place lies where its value stands."""
    for file in (ini(module, content), lines(module, content)):
        for place in file.places:
            assert content[place.start : place.end] == place.value
    module.Names({"path": b"/p", "name": b"{mac}.cfg", "pattern": re.compile(b"(?P<extension>[0-9]+)")},
                 {b"00005e005311.cfg": content})  # fmt: skip


# --------------------------------------------------------------------------------------------------- names


@given(st.sampled_from(SEPARATORS[:5]), st.booleans(), st.binary())
def test_a_file_is_renamed_as_it_was_named(module, way, upper, content):
    """A file named after the MAC keeps its content, and gets the new MAC in the notation of the old name."""
    assume(way[0] != " ")
    case = str.upper if upper else str.lower
    old, new = (case(spelled(digits, *way)).encode() for digits in ("0a0203040506", "0a0203040599"))
    spec = {
        "path": b"/phones", "name": b"SEP{mac}.cnf.xml", "notation": "auto",
        "pattern": re.compile(b"<line>(?P<extension>[0-9]+)<"), "case": "auto", "on_remove": "delete",
    }  # fmt: skip
    content = b"<line>3010</line>" + content
    file = module.Names(spec, {b"SEP" + old + b".cnf.xml": content, b"SEPx.cnf.xml": content})
    made, gone = file.changes(b"3010", b"0a0203040599")
    assert (b"/phones/SEP" + new + b".cnf.xml", None, content) == (made.path, made.before, made.after)
    assert (b"/phones/SEP" + old + b".cnf.xml", content, None) == (gone.path, gone.before, gone.after)


# --------------------------------------------------------------------------------------------------- result


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text() | st.binary() | st.just("\udcff"),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.binary(), inner),
    )
)
def test_plain_is_json(module, value):
    """Whatever bytes or text end up in a result, it can be sent as JSON."""
    assert json.loads(json.dumps(module.plain(value))) == module.plain(value)
