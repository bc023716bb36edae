"""RAMAIS as people type it: one canonical form, or what is wrong and how it would be right."""

from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.commands import InvalidCommand
from dispatcher.commands.moments import exists
from dispatcher.commands.parser import Request
from dispatcher.commands.parser import parse as parse_for
from dispatcher.commands.ramais import Ramais
from dispatcher.inventory import Inventory
from tests.unit.inventories import FLEET

EXAMPLE = "RAMAIS=1121,1122 SERVER=voip3 INICIO=01/11/2025 00:00 FIM=05/11/2025 23:59"
NOW = datetime(2026, 11, 23, 14, 5, tzinfo=timezone.utc)  # 11:05 in São Paulo
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


def fleet(server: str = "voip3", **variables: object) -> Inventory:
    """The fleet with other variables on one server."""
    return Inventory(
        groups=FLEET.groups,
        variables={**FLEET.variables, server: {**FLEET.variables[server], **variables}},
    )


def parse(subject: str, inventory: Inventory = FLEET, now: datetime = NOW) -> Request:
    return parse_for(subject, inventory, now)


def refusal(subject: str, inventory: Inventory = FLEET, now: datetime = NOW) -> InvalidCommand:
    with pytest.raises(InvalidCommand) as caught:
        parse(subject, inventory, now)
    parse(caught.value.corrected, inventory, now)
    return caught.value


def window(start: str, end: str) -> str:
    return f"RAMAIS=1121,1122 SERVER=voip3 INICIO={start} FIM={end}"


@pytest.mark.parametrize(
    ("subject", "canonical"),
    [
        (EXAMPLE, EXAMPLE),
        ("RAMAIS=1122,1121 FIM=05/11/2025 23:59 INICIO=01/11/2025 00:00 SERVER=voip3", EXAMPLE),
        ("ramais = 1121; 1122 server=VOIP3 inicio=1/11/2025 0:00 fim=5/11/2025 23:59", EXAMPLE),
        (EXAMPLE.replace("1121,1122", "1122 1121"), EXAMPLE),
        (EXAMPLE.replace("1121,1122", " 1121 ,, 1122, "), EXAMPLE),
        (window("01/11/2025", "05/11/2025"), EXAMPLE),
        (window("2025-11-01 00:00", "2025-11-05T23:59"), EXAMPLE),
        (window("2025-11-01", "2025-11-05"), EXAMPLE),
        (window("01/11/2025  00:00", "05/11/2025   23:59"), EXAMPLE),
        (f"{EXAMPLE} SIMULAR", f"{EXAMPLE} SIMULAR"),
        (EXAMPLE.replace("1121,1122", "0301"), EXAMPLE.replace("1121,1122", "0301")),
        (window("01/11/2025 08:30", "01/11/2025 08:30"), window("01/11/2025 08:30", "01/11/2025 08:30")),
        (window("29/02/2024", "29/02/2024"), window("29/02/2024 00:00", "29/02/2024 23:59")),
        (window("23/11/2026", "30/11/2026"), window("23/11/2026 00:00", "30/11/2026 23:59")),
        (window("01/10/2026", "31/10/2026"), window("01/10/2026 00:00", "31/10/2026 23:59")),
        # the day on which the clocks went from 00:00 to 01:00 began at 01:00
        (window("04/11/2018", "04/11/2018"), window("04/11/2018 01:00", "04/11/2018 23:59")),
    ],
)  # fmt: skip
def test_a_valid_subject_has_one_canonical_form(subject, canonical):
    """Extensions sorted, dates with their times, the server as the fleet writes it."""
    assert canonical == parse(subject).subject
    assert canonical == parse(canonical).subject


@pytest.mark.parametrize(
    ("subject", "problems", "corrected", "invented"),
    [
        # the extensions
        (EXAMPLE.replace("1121,1122", ""), ["RAMAIS field.empty"], EXAMPLE, ["RAMAIS"]),
        (EXAMPLE.replace("1121,1122", ",;"), ["RAMAIS field.empty"], EXAMPLE, ["RAMAIS"]),
        (EXAMPLE.replace("1122", "1122a"), ["RAMAIS extensions.invalid 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1122", "SIP/1122"), ["RAMAIS extensions.invalid 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1121,1122", "1121 e 1122"), ["RAMAIS extensions.invalid 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1121,1122", "1121/1122"), ["RAMAIS extensions.invalid 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1121,1122", "recepcao"), ["RAMAIS extensions.invalid"], EXAMPLE, ["RAMAIS"]),
        (EXAMPLE.replace("1122", "12345678901"), ["RAMAIS extensions.invalid 1121"],
         EXAMPLE.replace(",1122", ""), []),
        (EXAMPLE.replace("1122", "1122,1121,1122"), ["RAMAIS extensions.duplicate 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1121,1122", "1121-1122"), ["RAMAIS extensions.range 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1121,1122", "1120 a 1122"), ["RAMAIS extensions.range 1120,1121,1122"],
         EXAMPLE.replace("1121,", "1120,1121,"), []),
        (EXAMPLE.replace("1121,1122", "098-101"), ["RAMAIS extensions.range 098,099,100,101"],
         EXAMPLE.replace("1121,1122", "098,099,100,101"), []),
        (EXAMPLE.replace("1121,1122", "1122-1121"), ["RAMAIS extensions.range 1121,1122"], EXAMPLE, []),
        (EXAMPLE.replace("1121,1122", "1-9999999999"), ["RAMAIS extensions.range 1,9999999999"],
         EXAMPLE.replace("1121,1122", "1,9999999999"), []),
        (EXAMPLE.replace("1121,1122", "100-300"),
         [f"RAMAIS extensions.too_many {','.join(map(str, range(100, 200)))}"],
         EXAMPLE.replace("1121,1122", ",".join(map(str, range(100, 200)))), []),
        # the server
        (EXAMPLE.replace("voip3", "voip"), ["SERVER server.unknown"], EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("voip3", "voip3x"), ["SERVER server.unknown voip3"], EXAMPLE, []),
        (EXAMPLE.replace("voip3", "audio"), ["SERVER server.unknown"], EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("voip3", "GV3P"), ["SERVER server.no_recordings"], EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("SERVER=voip3 ", ""), ["SERVER server.missing"], EXAMPLE, ["SERVER"]),
        (EXAMPLE.replace("SERVER=voip3 ", "SERVER= "), ["SERVER server.missing"], EXAMPLE, ["SERVER"]),
        # the moments
        (window("", "05/11/2025"), ["INICIO field.empty"], EXAMPLE, ["INICIO"]),
        (window("31/02/2025", "05/03/2025"), ["INICIO moment.no_such_day 28/02/2025 00:00"],
         window("28/02/2025 00:00", "05/03/2025 23:59"), []),
        (window("01/02/2025", "31/02/2025 12:00"), ["FIM moment.no_such_day 28/02/2025 12:00"],
         window("01/02/2025 00:00", "28/02/2025 12:00"), []),
        (window("00/11/2025", "05/11/2025"), ["INICIO moment.no_such_day"], EXAMPLE, ["INICIO"]),
        (window("11/13/2025", "05/11/2025"), ["INICIO moment.no_such_month"], EXAMPLE, ["INICIO"]),
        (window("01/11/2025 24:00", "05/11/2025"), ["INICIO moment.midnight 02/11/2025 00:00"],
         window("02/11/2025 00:00", "05/11/2025 23:59"), []),
        (window("01/11/2025", "05/11/2025 24:00"), ["FIM moment.midnight 05/11/2025 23:59"], EXAMPLE, []),
        (window("01/11/2025", "05/11/2025 25:10"), ["FIM moment.no_such_time 05/11/2025 23:59"], EXAMPLE, []),
        (window("01/11/2025", "05/11/2025 23:60"), ["FIM moment.no_such_time 05/11/2025 23:59"], EXAMPLE, []),
        (window("01/11/25", "05/11/2025"), ["INICIO moment.invalid 01/11/2025 00:00"], EXAMPLE, []),
        (window("01-11-2025", "05.11.2025"),
         ["INICIO moment.invalid 01/11/2025 00:00", "FIM moment.invalid 05/11/2025 23:59"], EXAMPLE, []),
        (window("01/11/2025 as 00h00", "05/11/2025, 23:59:59"),
         ["INICIO moment.invalid 01/11/2025 00:00", "FIM moment.invalid 05/11/2025 23:59"], EXAMPLE, []),
        (window("01/11/2025 0h", "2025/11/05 23.59"),
         ["INICIO moment.invalid 01/11/2025 00:00", "FIM moment.invalid 05/11/2025 23:59"], EXAMPLE, []),
        (window("2025-11-01T00:00:00Z", "05/11/2025 23:59 obrigado"),
         ["INICIO moment.invalid 01/11/2025 00:00", "FIM field.extra_text 05/11/2025 23:59"], EXAMPLE, []),
        (window("ontem", "05/11/2025"), ["INICIO moment.invalid"], EXAMPLE, ["INICIO"]),
        (window("01/11/1925", "05/11/2025"), ["INICIO moment.invalid"], EXAMPLE, ["INICIO"]),
        (window("04/11/2018 00:30", "05/11/2018"), ["INICIO moment.skipped 04/11/2018 01:00"],
         window("04/11/2018 01:00", "05/11/2018 23:59"), []),
        (window("01/11/2018", "04/11/2018 00:30"), ["FIM moment.skipped 03/11/2018 23:59"],
         window("01/11/2018 00:00", "03/11/2018 23:59"), []),
        (window("23/11/2026 11:06", "24/11/2026"), ["INICIO moment.future 23/11/2026 00:00"],
         window("23/11/2026 00:00", "24/11/2026 23:59"), []),
        # the window
        (window("05/11/2025", "01/11/2025"), ["FIM window.order 05/11/2025 23:59"],
         window("05/11/2025 00:00", "05/11/2025 23:59"), []),
        (window("05/11/2025 08:00", "05/11/2025 07:59"), ["FIM window.order 05/11/2025 23:59"],
         window("05/11/2025 08:00", "05/11/2025 23:59"), []),
        (window("20/12/2025", "05/01/2025"), ["FIM window.order 05/01/2026 23:59"],
         window("20/12/2025 00:00", "05/01/2026 23:59"), []),
        (window("01/10/2025 12:00", "01/11/2025 11:59"), ["FIM window.too_long 31/10/2025 23:59"],
         window("01/10/2025 12:00", "31/10/2025 23:59"), []),
        # the keys
        ("RAMAIS=1121 SERVER=voip3 INICIO=10/05/2026", ["FIM field.missing"],
         "RAMAIS=1121 SERVER=voip3 INICIO=10/05/2026 00:00 FIM=10/05/2026 23:59", ["FIM"]),
        ("RAMAIS=1121 SERVER=voip3", ["INICIO field.missing", "FIM field.missing"],
         EXAMPLE.replace(",1122", ""), ["INICIO", "FIM"]),
        (EXAMPLE.replace("FIM=", "FIM "), ["FIM field.missing"], EXAMPLE, []),
        (EXAMPLE.replace("INICIO", "INÍCIO"), [" subject.not_ascii"], EXAMPLE, []),
        (EXAMPLE.replace("INICIO", "INICO"), ["INICO field.unknown INICIO"], EXAMPLE, []),
        (EXAMPLE.replace("RAMAIS", "RAMAL"), [" command.unknown RAMAIS"], EXAMPLE, []),
        ("RAMAIS", ["RAMAIS field.missing"], EXAMPLE, ["RAMAIS", "SERVER", "INICIO", "FIM"]),
    ],
)  # fmt: skip
def test_a_bad_subject_tells_what_was_meant_and_what_is_only_an_example(
    subject, problems, corrected, invented
):
    """Each mistake has its code; what was understood is kept, and values that were made up are named."""
    error = refusal(subject)
    found = [" ".join(filter(None, (p.field or " ", p.code, p.suggestion))).strip() for p in error.problems]
    assert [problem.strip() for problem in problems] == found
    assert (corrected, tuple(invented)) == (error.corrected, error.invented)


def test_all_problems_come_at_once():
    """Four mistakes in four fields need one mail."""
    error = refusal("RAMAIS=1121,1121 SERVER=gv3p INICIO=31/02/2025 FIM=24:00")
    assert ["extensions.duplicate", "server.no_recordings", "moment.no_such_day", "moment.invalid"] == [
        problem.code for problem in error.problems
    ]


def test_what_is_repeated_is_named():
    """Nobody has to look for two equal numbers in a list of fifty."""
    (problem,) = refusal(EXAMPLE.replace("1122", "1122,1123,1122,1121")).problems
    assert ("1121, 1122", "1121,1122,1123") == (problem.data["duplicates"], problem.suggestion)
    (problem,) = refusal(EXAMPLE.replace("1122", "recepcao,12x,1122")).problems
    assert "recepcao, 12x" == problem.data["wrong"]


@pytest.mark.parametrize(("digits", "limit"), [(4, 100), (10, 77)])
def test_hundreds_of_extensions_are_refused_with_those_that_fit(digits, limit):
    """As many as one command may have, in a subject that is not too long either."""
    count = 980 // (digits + 1) - 15
    listed = ",".join(str(10 ** (digits - 1) + number) for number in range(count))
    if count <= limit:
        assert count == len(parse(EXAMPLE.replace("1121,1122", listed)).command.ramais)
        return
    error = refusal(EXAMPLE.replace("1121,1122", listed))
    (problem,) = error.problems
    assert ("extensions.too_many", str(count), str(limit)) == (
        problem.code, problem.data["count"], problem.data["limit"],
    )  # fmt: skip
    assert limit == len(parse(error.corrected).command.ramais)


def test_the_server_may_be_left_out_where_the_inventory_has_a_default():
    """Whichever server of the group carries the variable; the canonical subject names it all the same."""
    for carrier in ("gv1p", "gv3p", "voip3"):
        with_default = fleet(carrier, audio_collection_default_server="voip3")
        for written in ("", "SERVER= ", "SERVER=voip3 "):
            subject = EXAMPLE.replace("SERVER=voip3 ", written)
            assert EXAMPLE == parse(subject, with_default).subject
    error = refusal("RAMAIS=1121,1122 INICIO=31/11/2025 FIM=05/12/2025", with_default)
    assert ["moment.no_such_day"] == [problem.code for problem in error.problems]
    assert () == error.invented


def test_the_default_instead_of_what_was_written_is_nobodys_word():
    """Who named another server is warned of the one in the subject to copy."""
    error = refusal(EXAMPLE.replace("voip3", "xx"), fleet("gv1p", audio_collection_default_server="voip3"))
    assert (EXAMPLE, ("SERVER",)) == (error.corrected, error.invented)


@pytest.mark.parametrize("default", ["voip9", "gv3p", "{{ groups.sip_servers[0] }}", "", None, 7])
def test_a_default_that_is_none_of_the_servers_counts_for_nothing(default):
    """The answer lists the servers, as if there were no default."""
    error = refusal(EXAMPLE.replace("SERVER=voip3 ", ""), fleet(audio_collection_default_server=default))
    assert [("server.missing", "gv1p, gv2p, voip1, voip3")] == [
        (problem.code, problem.data["known"]) for problem in error.problems
    ]


def test_a_fleet_whose_recordings_cannot_be_reached_does_not_have_the_command():
    """Nobody is offered what can only be refused."""
    nowhere = Inventory(groups=FLEET.groups, variables={})
    error = refusal(EXAMPLE, nowhere)
    assert ["command.unknown"] == [problem.code for problem in error.problems]
    assert "RAMAIS" not in error.problems[0].data["known"]


def test_dates_are_those_of_the_place_where_the_server_is():
    """The hour that one place left out exists in another, and so does the future."""
    subject = window("04/11/2018 00:30", "04/11/2018 12:00")
    assert subject == parse(subject, fleet(audio_collection_layout={"timezone": "America/Manaus"})).subject
    here = window("23/11/2026 12:00", "23/11/2026")
    assert ["moment.future"] == [problem.code for problem in refusal(here).problems]
    assert parse(here, fleet(audio_collection_layout={"timezone": "Europe/Lisbon"}))
    for unusable in ({"timezone": "Mars/Olympus"}, {"timezone": 7}, {}, "{{ other }}", None):
        assert parse(EXAMPLE, fleet(audio_collection_layout=unusable))


@pytest.mark.parametrize(
    ("limits", "days"),
    [({"days": 3}, 3), ({"days": 1}, 1), ({"days": 0}, 31), ({"days": "x"}, 31), (None, 31)],
)
def test_the_longest_window_is_the_inventorys(limits, days):
    """The suggestion has exactly as many days as fit, and it is accepted; the example is cut to fit too."""
    limited = fleet(audio_collection_limits=limits)
    error = refusal(window("01/03/2025 10:00", "30/04/2025"), limited)
    (problem,) = error.problems
    assert ("window.too_long", str(days), "61") == (problem.code, problem.data["limit"], problem.data["days"])
    command = parse(error.corrected, limited).command
    assert days == (command.fim.date() - command.inicio.date()).days + 1
    assert refusal("RAMAIS=x SERVER=x INICIO=x FIM=x", limited)


def test_the_present_moment_is_given_not_asked_for():
    """The same subject is judged alike for ever, at the moment that it is judged at."""
    subject = window("23/11/2026 11:05", "23/11/2026")
    assert parse(subject, now=NOW)
    error = refusal(subject, now=NOW - timedelta(minutes=1))
    assert ["moment.future"] == [problem.code for problem in error.problems]
    assert "23/11/2026 11:04" == error.problems[0].data["now"]


@pytest.mark.parametrize(("server", "lock"), [("gv1p", "audio"), ("voip1", "audios:voip1")])
def test_it_runs_for_its_server_and_locks_who_does_the_work(server, lock):
    """A CHECKIP on the server does not wait for an hour of collecting; two collections on one host do."""
    command = parse(EXAMPLE.replace("voip3", server)).command
    assert (server,) == command.servers(FLEET)
    assert (lock,) == command.locks(FLEET)


def test_the_playbook_gets_the_window_to_the_minute():
    """Sorted extensions and local wall times: what the role expects."""
    command = parse(EXAMPLE.replace("1121,1122", "1122 1121")).command
    assert {
        "ramais_extensions": ["1121", "1122"],
        "ramais_start": "2025-11-01 00:00",
        "ramais_end": "2025-11-05 23:59",
    } == command.extravars()


def test_a_stored_command_is_the_same_again_whatever_the_fleet_and_the_hour_are_now():
    """A job that waits is neither lost nor changed."""
    command = parse(EXAMPLE).command
    assert command == Ramais.model_validate(command.model_dump(mode="json"))


MINUTES = st.datetimes(datetime(2000, 1, 1), datetime(2026, 11, 22)).map(  # noqa: DTZ001 - wall times
    lambda at: at.replace(second=0, microsecond=0)
)
ZONES = st.sampled_from(["America/Sao_Paulo", "America/Manaus", "Europe/Lisbon", "Australia/Lord_Howe"])
NOTATIONS = st.sampled_from(["%d/%m/%Y %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M"])


@given(MINUTES, st.timedeltas(timedelta(0), timedelta(days=30)), ZONES, NOTATIONS)
def test_a_window_is_taken_as_it_was_written_or_refused_for_a_clock_that_never_showed_it(
    start, length, zone, notation
):
    """What runs has the very minutes of the mail; only what daylight saving left out is refused."""
    end = (start + length).replace(second=0, microsecond=0)
    place = fleet(audio_collection_layout={"timezone": zone})
    shown = all(exists(at, ZoneInfo(zone)) for at in (start, end))
    try:
        command = parse(window(f"{start:{notation}}", f"{end:{notation}}"), place).command
    except InvalidCommand as error:
        assert not shown or (end.date() - start.date()).days >= 31
        assert parse(error.corrected, place)
    else:
        assert (start, end) == (command.inicio, command.fim)
        assert shown


@given(st.text("0123456789/-: hTeas.,", max_size=24), st.text("0123456789/-: hTeas.,", max_size=24))
def test_any_two_moments_are_a_window_or_a_refusal_with_one(start, end):
    """Whatever stands in the two fields: what runs is a window that exists, ends after its start, fits."""
    try:
        command = parse(window(start, end)).command
    except InvalidCommand as error:
        command = parse(error.corrected).command
    assert command.inicio <= command.fim
    assert (command.fim.date() - command.inicio.date()).days < 31
    assert command.inicio.replace(tzinfo=SAO_PAULO) <= NOW
    assert all(exists(at, SAO_PAULO) for at in (command.inicio, command.fim))


@given(
    st.lists(st.integers(0, 99_999).map(str), min_size=1, max_size=120),
    st.sampled_from([",", ";", " ", ", "]),
)
def test_the_extensions_are_those_that_were_written(numbers, between):
    """Every one, each once; too many or repeated ones are refused with a list that is right."""
    subject = EXAMPLE.replace("1121,1122", between.join(numbers))
    try:
        command = parse(subject).command
    except InvalidCommand as error:
        assert len(set(numbers)) < len(numbers) or len(numbers) > 100 or len(subject) > 900
        offered = parse(error.corrected).command.ramais
        assert set(offered) <= set(numbers) or error.invented
    else:
        assert tuple(sorted(numbers)) == command.ramais


@given(st.text("0123456789,;- aeSIP/x", max_size=60))
def test_any_list_is_extensions_or_a_refusal_with_some(text):
    """No extension is made of what is none without being asked about."""
    try:
        command = parse(EXAMPLE.replace("1121,1122", text)).command
    except InvalidCommand as error:
        assert parse(error.corrected).command.ramais
    else:
        assert set(command.ramais) == set(text.replace(",", " ").replace(";", " ").split())
