"""Host lists: where an RTU is reached, and who may connect as a master.

Nothing here resolves a name; a name is kept as a name for the shell to look up.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from typing import TypeAlias

from core.config.diagnostics import BadValue

Network: TypeAlias = IPv4Network | IPv6Network

HIGHEST_PORT = 65535

ENDPOINT_ACCEPTED = "IP:PORT or NAME:PORT, IPv6 as [::1]:2404, several separated by ;"
FILTER_ACCEPTED = (
    "addresses such as 192.0.2.16, networks such as 192.0.2.0/24 or host names, separated by ;"
)
BIND_ACCEPTED = "all, or addresses of this machine such as 192.0.2.5 or ::1, separated by ;"

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?")
_ZONE = re.compile(r"[A-Za-z0-9_.-]+")
_BRACKETED = re.compile(rf"\[([0-9A-Fa-f:.]+(?:%{_ZONE.pattern})?)\]\s*(?::(.*))?", re.DOTALL)
_PORT_AT_END = re.compile(r".*:[0-9]+", re.DOTALL)
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an RTU listens; `host` is a host name or a numeric address without brackets."""

    host: str
    port: int
    """1..65535"""

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> Endpoint | BadValue:
        """Read one item of an RTU's hosts list, or say why it cannot be used."""
        if text.startswith("["):
            bracketed = _BRACKETED.fullmatch(text)
            if bracketed is None:
                return BadValue("is not an IPv6 address in brackets with a port")
            host, port_text = bracketed[1], bracketed[2]
            if port_text is None:
                return BadValue("has no port")
            if ":" not in host or _address(host) is None:
                return BadValue("has no IPv6 address between the brackets")
        else:
            host, colon, port_text = text.rpartition(":")
            host = host.rstrip()
            if not colon or _address(text) is not None:
                return BadValue("has no port")
            if ":" in host:
                return BadValue("has more than one colon (an IPv6 address needs brackets)")
            if not is_host(host):
                return BadValue("is neither an IP address nor a host name with a port")
        port = port_number(port_text)
        if port is None:
            return BadValue("has no port from 1 to 65535")
        address = _address(host)
        return cls(host if address is None else str(address), port)


@dataclass(frozen=True, slots=True)
class HostFilter:
    """Which peers may connect to a master's port.

    A filter made without arguments admits nobody: what cannot be understood must not open a port
    to everyone. `ANYBODY` is the filter of an empty cell.
    """

    networks: tuple[Network, ...] = ()
    names: tuple[str, ...] = ()
    """Host names to be resolved by the shell, which compares the addresses it gets."""
    is_open: bool = False
    """Anybody is admitted."""

    def admits_address(self, ip: str) -> bool:
        """Say whether a peer with this numeric address is admitted by address alone.

        Names are not considered. An IPv4 address in IPv6 clothes (::ffff:192.0.2.1) is judged as
        the IPv4 address it is; what is not an address is admitted only by an open filter.
        """
        if self.is_open:
            return True
        address = _address(ip)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return address is not None and any(address in network for network in self.networks)

    def __str__(self) -> str:
        networks = (
            str(n.network_address) if n.prefixlen == n.max_prefixlen else str(n)
            for n in self.networks
        )
        return ";".join((*networks, *self.names))


ANYBODY = HostFilter(is_open=True)


def parse_filter_item(text: str) -> Network | str | BadValue:
    """Read one item of a master's hosts list: a network (a single address is one), or a name."""
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        network = ip_network(bare, strict=False)
    except ValueError:
        if is_host_name(text):
            return text
        if _PORT_AT_END.fullmatch(text) and isinstance(Endpoint.parse(text), Endpoint):
            return BadValue("has a port, but a master may connect from any port of its own")
        return BadValue("is neither an address, nor a network, nor a host name")
    if isinstance(network, IPv6Network):
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= 96:
            return IPv4Network((mapped, network.prefixlen - 96))
    return network


def parse_bind(text: str) -> tuple[str, ...] | BadValue:
    """Read where a port listens: numeric addresses, each once; none stands for all there are.

    `0.0.0.0` is every IPv4 address, `::` every IPv6 address.
    """
    items = items_of(text)
    if [item.lower() for item in items] == ["all"]:
        return ()
    found: dict[str, None] = {}
    for item in items:
        bare = item[1:-1] if item.startswith("[") and item.endswith("]") else item
        address = _address(bare)
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        if address is None:
            return BadValue("is not a list of IP addresses")
        if address.is_multicast or str(address) == "255.255.255.255":
            return BadValue("has an address on which nobody can listen")
        found[str(address)] = None
    for every, mark in (("0.0.0.0", "."), ("::", ":")):
        if every in found and any(mark in each for each in found if each != every):
            return BadValue(f"has {every} beside an address that is one of it")
    return tuple(found) or BadValue("is empty")


def has_host_bits(text: str) -> bool:
    """Say whether a network is written with an address inside it, as 192.0.2.16/24 is."""
    interface = ip_interface(text)
    return interface.ip != interface.network.network_address


def items_of(cell: str) -> list[str]:
    """Split a list cell at its semicolons; blanks and empty items fall away."""
    return [item for item in (part.strip() for part in cell.split(";")) if item]


def port_number(text: str) -> int | None:
    """Return the port a text names, 1..65535, else None."""
    text = text.strip()
    if not text.isdecimal() or len(text) > 5:
        return None
    port = int(text)
    return port if 1 <= port <= HIGHEST_PORT else None


def is_host(text: str) -> bool:
    """Say whether a text can be a numeric address or a host name."""
    return _address(text) is not None or is_host_name(text)


def is_host_name(text: str) -> bool:
    """Say whether a text can be a host name.

    Names that are mistyped addresses are refused: 192.0.2.300, 192.0.2.1-9, 192.0.2.x.
    """
    if len(text) > _LONGEST_NAME or _NAME.fullmatch(text) is None:
        return False
    *others, last = text.rstrip(".").split(".")
    is_like_an_address = len(others) > 1 and all(label.isdigit() for label in others)
    return any(character.isalpha() for character in last) and not is_like_an_address


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # ipaddress takes anything for the name of an interface.
    zone = address.scope_id if isinstance(address, IPv6Address) else None
    return address if zone is None or _ZONE.fullmatch(zone) else None
