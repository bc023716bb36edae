"""Field types of commands. A value that is refused says why by a code, and what was probably meant."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface, ip_network
from typing import Annotated

from pydantic import BeforeValidator, ValidationInfo
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from dispatcher.commands.context import Context

# RFC 1123 host name, with at least one letter: what people write when they mean a server, not an address.
_NAME = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9-]+)*\.?")

_THIS_NETWORK = ip_network("0.0.0.0/8")  # RFC 1122: no source of real traffic

# An address among other things: in brackets, in a link, behind a word.
_INSIDE = re.compile(
    r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F]*(?::[0-9a-fA-F]*){2,7})(?![\w.])", re.ASCII
)

_EXTENSION = re.compile("[0-9]{1,10}")
_BETWEEN = re.compile(
    " (?:e|a|ate|and|to) | ?[,;/&. -] ?", re.IGNORECASE
)  # the extensions of a list or range

_NEAR = 0.6  # difflib's own measure of what is close


def refuse(code: str, suggestion: str | None = None, **data: str) -> PydanticCustomError:
    """Return the error that the parser turns into a Problem of this code."""
    return PydanticCustomError(code, "{code}", {"code": code, "suggestion": suggestion, "data": data})


def _given(text: str) -> str:
    if not text:
        raise refuse("field.empty")
    return text


def _address(text: str) -> IPv4Address | IPv6Address:
    """Accept one address that a customer can come from."""
    try:
        address = ip_address(text)
    except ValueError:
        raise _no_address(text) from None
    return _usable(address)


def _usable(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped  # the same customer: fail2ban counts it as IPv4
    for code, wrong in (
        ("address.loopback", address.is_loopback),
        ("address.unspecified", address in _THIS_NETWORK or address.is_unspecified),
        ("address.multicast", address.is_multicast),
        ("address.link_local", address.is_link_local),
        ("address.reserved", address.is_reserved),
    ):
        if wrong:
            raise refuse(code)
    if isinstance(address, IPv6Address) and address.scope_id is not None:  # any text at all, to Python
        raise refuse("address.invalid", suggestion=_valid(str(address).partition("%")[0]))
    return address


def _no_address(text: str) -> PydanticCustomError:
    try:
        interface = ip_interface(text)
    except ValueError:
        pass
    else:  # 203.0.113.7/24 means the one address; 203.0.113.0/24 means them all, and none is the nearest
        whole = interface.network.num_addresses > 1 and interface.ip == interface.network.network_address
        near = None if whole else _valid(str(interface.ip))
        return refuse("address.network", suggestion=near, prefix=str(interface.network.prefixlen))
    first, _, rest = text.partition(" ")
    if rest and (near := _valid(first)):
        return refuse("field.extra_text", suggestion=near, text=rest.strip()[:80])
    if _NAME.fullmatch(text):
        return refuse("address.name")
    return refuse("address.invalid", suggestion=_nearest_address(text))


def _nearest_address(text: str) -> str | None:
    """Undo the slips of a thumb: leading zeros, a comma for a point, a final point, a port, words around."""
    inside = _INSIDE.findall(text)
    if len(inside) == 1 and (near := _valid(inside[0])):
        return near
    candidate = re.sub(r":\d+$", "", text.replace(",", ".").strip(". "))
    candidate = ".".join(part.lstrip("0") or "0" for part in candidate.split("."))
    return _valid(candidate) if re.fullmatch(r"[\d.]{7,15}", candidate) else None


def _valid(text: str) -> str | None:
    try:
        return str(_usable(ip_address(text)))
    except ValueError:  # PydanticCustomError is one
        return None


def _extension(text: str) -> str:
    """Accept one extension."""
    if _EXTENSION.fullmatch(text):
        return text
    parts = _BETWEEN.split(" ".join(text.split()))
    if len(parts) > 1 and all(_EXTENSION.fullmatch(part) for part in parts):
        raise refuse("extension.list", suggestion=parts[0])
    first, _, rest = text.partition(" ")
    if rest and _EXTENSION.fullmatch(first):
        raise refuse("field.extra_text", suggestion=first, text=rest.strip()[:80])
    numbers = re.findall("[0-9]+", text)
    near = numbers[0] if len(numbers) == 1 and _EXTENSION.fullmatch(numbers[0]) else None
    raise refuse("extension.invalid", suggestion=near)


def _server(text: str, info: ValidationInfo) -> str:
    """Accept a server of the context's ``servers`` in any case; return it as it is written there."""
    context: Context | None = info.context
    if context is None or text in context.servers:
        return text
    servers = context.servers
    if not text:
        raise refuse("server.missing", known=", ".join(servers))
    names = {name.lower(): name for name in servers}
    if name := names.get(text.lower()):
        return name
    first, _, rest = text.partition(" ")
    if rest and (name := names.get(first.lower())):
        raise refuse("field.extra_text", suggestion=name, text=rest.strip()[:80])
    near = names.get(_nearest_name(text.lower(), list(names)) or "")
    raise refuse("server.unknown", suggestion=near, known=", ".join(servers))


def _nearest_name(text: str, names: Sequence[str]) -> str | None:
    """Return the one name that is most like the text; of two that are equally so, neither."""

    def likeness(name: str) -> tuple[float, int]:
        same = Counter(text) & Counter(name)  # letters that changed places are all there
        return SequenceMatcher(None, text, name).ratio(), sum(same.values())

    ranked = sorted(((likeness(name), name) for name in names), reverse=True)
    (best, name), second = ranked[0], ranked[1:2]
    return name if best[0] >= _NEAR and not (second and second[0][0] == best) else None


_SERVER = BeforeValidator(_server)

# Of several validators the last one looks first.
Address = Annotated[IPv4Address | IPv6Address, BeforeValidator(_address), BeforeValidator(_given)]
Extension = Annotated[str, BeforeValidator(_extension), BeforeValidator(_given)]
Server = Annotated[str, _SERVER]


def names_server(field: FieldInfo) -> bool:
    """Whether a command's field is a Server."""
    return _SERVER in field.metadata
