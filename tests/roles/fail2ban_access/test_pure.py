"""The module's pure functions, against the standard library and against what nft and iptables print."""

import io
import ipaddress
import os
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

BAD = [
    "3.3.3", "3.3.3.3.3", "256.1.1.1", "203.0.113.077", "0xCB.0.113.7", "203.0.113.7/32", "203.0.113.0/24",
    "host.example", "", " ", "203.0.113.7 ", "203.0.113.7\n", "203.0.113.7;id", "{{ 7*7 }}", "$(id)",
    "203.0.113.٧", "2O3.0.113.7", "203․0․113․7", "fe80::1%eth0", ":::", "2001:db8::7::1", "\x00", "\ud800",
    "127.0.0.1", "::1", "0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "169.254.1.1", "fe80::1",
    "::ffff:127.0.0.1", 7, None, True, ["203.0.113.7"], {"a": 1}, "9" * 100_000,
]  # fmt: skip
ADDRESSES = st.ip_addresses()


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: ascii(bad)[:30])
def test_refuses(module, bad):
    """What is not the address of one host that may be let in is refused with an example of one that is."""
    with pytest.raises(module.Stop) as stop:
        module.normalise(bad)
    assert stop.value.code == "fail2ban.invalid_address"
    assert "such as 203.0.113.7" in stop.value.msg
    assert len(stop.value.msg) < 300


@given(ADDRESSES)
def test_reads_what_the_standard_library_reads(module, address):
    """Every notation of an address gives the same value as in the module ipaddress."""
    expected = getattr(address, "ipv4_mapped", None) or address
    for text in (str(address), address.exploded, str(address).upper()):
        assert module.parse_address(text) == (expected.max_prefixlen, int(expected))


@given(st.text())
def test_any_text_is_an_address_or_refused(module, text):
    """No text makes the validation raise anything but its own refusal, and what passes is canonical."""
    try:
        result = module.normalise(text)
    except module.Stop:
        return
    assert result == module.normalise(result)
    assert ipaddress.ip_address(result)


@given(ADDRESSES)
def test_canonical_form(module, address):
    """An accepted address comes out in the one form in which the standard library writes it, too."""
    try:
        result = module.normalise(str(address))
    except module.Stop:
        return
    expected = getattr(address, "ipv4_mapped", None) or address
    assert str(expected) == result


@given(ADDRESSES, st.integers(0, 128), ADDRESSES)
def test_networks(module, base, length, address):
    """A network covers exactly the addresses that the module ipaddress finds in it."""
    length = min(length, base.max_prefixlen)
    network = ipaddress.ip_network(f"{base}/{length}", strict=False)
    for one in (address, base, network[0], network[-1]):
        if any(getattr(part, "ipv4_mapped", None) for part in (one, base, network[0])):
            continue  # an IPv4 address in disguise: fail2ban and the module see the IPv4 address
        assert module.covers(f"{base}/{length}", module.parse_address(str(one))) == (one in network)


@given(st.text())
def test_covers_any_text(module, text):
    """Names and nonsense in a jail's list cover nothing and raise nothing."""
    assert module.covers(text, (32, 7)) in (True, False)


@given(st.sets(ADDRESSES, min_size=1), st.sets(st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True)))
def test_drop_in_reads_back(module, addresses, jails):
    """What the drop-in says is what was to be said."""
    words = [str(address) for address in addresses]
    content = module.render(words, {jail: [] for jail in jails}, set())
    again, strange = module.parse_whitelist(content)
    assert (set(words), [], jails - {"DEFAULT"}) == (set(again), strange, module.parse_sections(content))


def test_nobody_needs_no_file(module):
    """An empty whitelist is no file at all."""
    assert module.render([], {"sshd": []}, set()) == b""


@given(st.binary())
def test_reads_any_file(module, content):
    """A drop-in that somebody damaged is read without an error."""
    words, strange = module.parse_whitelist(b"athome_whitelist =" + content)
    assert isinstance(words + strange, list)


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/athome-evil",)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_answers_run_no_code(module, protocol):
    """An answer of the server can carry values of every protocol, but nothing that is executed."""
    answer = (0, [{"sshd": ["203.0.113.7"]}, {"a", "b"}, Evil(), ValueError("x"), None, 1.5, True])
    loaded = module.Unpickler(io.BytesIO(pickle.dumps(answer, protocol))).load()
    assert loaded[1][:2] == answer[1][:2]
    assert isinstance(loaded[1][2], module.Foreign)
    assert "x" in str(loaded[1][3])
    assert not os.path.exists("/tmp/athome-evil")  # noqa: PTH110 — the same words as in Evil


def nft_document(elements, family="ip", verdict="drop"):
    match = {"op": "==", "left": {"payload": {"protocol": family, "field": "saddr"}}, "right": "@s"}
    where = {"family": "inet", "table": "t"}
    return {"nftables": [
        {"chain": {**where, "name": "c", "hook": "input"}},
        {"set": {**where, "name": "s", "type": "ipv4_addr", "elem": elements}},
        {"rule": {**where, "chain": "c", "expr": [{"match": match}, {verdict: None}]}},
    ]}  # fmt: skip


@given(st.lists(st.tuples(st.ip_addresses(v=4), st.integers(1, 32))), st.ip_addresses(v=4), st.booleans())
def test_nft_sets(module, networks, address, other):
    """A set of an nftables rule blocks the address when one of its elements covers it, and only then."""
    networks = [ipaddress.ip_network(f"{base}/{length}", strict=False) for base, length in networks]
    if other and networks:
        address = networks[0][-1]
    elements = []
    for index, net in enumerate(networks):
        forms = [
            {"prefix": {"addr": str(net[0]), "len": net.prefixlen}},
            {"range": [str(net[0]), str(net[-1])]},
            {"elem": {"val": {"prefix": {"addr": str(net[0]), "len": net.prefixlen}}, "timeout": 60}},
        ]
        elements.append(forms[index % 3])
    chains, roots = module.parse_nft(nft_document(elements), (32, int(address)))
    blocked = any(module.blocking(chains, root) for root in roots)
    assert any(address in net for net in networks) == blocked


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_plain_is_json(module, value):
    """Whatever ends up in a result can be sent as JSON."""
    assert module.plain(value) == value
