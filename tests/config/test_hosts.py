"""Where an RTU is reached and who may connect: every item, good and bad."""

from ipaddress import ip_network

import pytest

from core.config import HostFilter
from tests.config.files import ENDPOINTS, EXPECTED, FILTERS, GROUP, MASTER, RTU, config, lines

BAD_ENDPOINTS = [
    ("127.0.0.1", "has no port"),
    ("::1", "has no port"),
    ("[::1]", "has no port"),
    ("rtu", "has no port"),
    (":2404", "is neither an IP address nor a host name with a port"),
    ("10.1.1.300:2404", "is neither an IP address nor a host name with a port"),
    ("10.01.1.3:2404", "is neither an IP address nor a host name with a port"),
    ("10.1.1.0/24:2404", "is neither an IP address nor a host name with a port"),
    ("a b:2404", "is neither an IP address nor a host name with a port"),
    ("-a:2404", "is neither an IP address nor a host name with a port"),
    ("a" * 64 + ":2404", "is neither an IP address nor a host name with a port"),
    ("127.0.0.1:0", "has no port from 1 to 65535"),
    ("127.0.0.1:65536", "has no port from 1 to 65535"),
    ("127.0.0.1:", "has no port from 1 to 65535"),
    ("127.0.0.1:iec", "has no port from 1 to 65535"),
    ("fe80::zz:2404", "has more than one colon (an IPv6 address needs brackets)"),
    ("a:b:2404", "has more than one colon (an IPv6 address needs brackets)"),
    ("[10.1.1.1]:2404", "has no IPv6 address between the brackets"),
    ("[1:2]:2404", "has no IPv6 address between the brackets"),
    ("[x]:2404", "is not an IPv6 address in brackets with a port"),
    ("[::1]:x", "has no port from 1 to 65535"),
]


@pytest.mark.parametrize(("item", "reason"), BAD_ENDPOINTS)
def test_a_bad_item_of_an_rtu_is_named_and_the_others_are_used(item: str, reason: str) -> None:
    text = RTU.replace("127", f"{item};127") + MASTER
    value = item if len(item) <= 60 else item[:57] + "..."
    assert lines(text) == [f"E x.csv:1: column hosts: value '{value}': {reason}; {ENDPOINTS}"]
    assert config(text) == EXPECTED


@pytest.mark.parametrize("item", ["rtu :2404", "rtu: 2404", " [::1] : 2404 ", "127.0.0.1\t: 2404"])
def test_blanks_around_host_and_port_are_ignored(item: str) -> None:
    text = RTU.replace("127.0.0.1:2404", item) + MASTER
    assert lines(text) == []
    assert str(config(text).groups[0].rtu.hosts[0]) == "".join(item.split())


def test_an_rtu_without_a_good_item_is_refused() -> None:
    assert lines("11,RTU,,5,N,a;[b\n" + MASTER) == [
        f"E x.csv:1: column hosts: value 'a': has no port; {ENDPOINTS}",
        "E x.csv:1: column hosts: value '[b': is not an IPv6 address in brackets with a port; "
        + ENDPOINTS,
        "E x.csv:1: column hosts: value 'a;[b': has no usable address, so the RTU cannot be "
        f"called; {ENDPOINTS}",
        "E x.csv:1: column id: value '11': is a group without an RTU row that can be used, so it "
        "is not started; accepted: one RTU row and at least one master row",
        "E x.csv:1: column id: value '': the file has no group that can be started; "
        "accepted: at least one RTU row and one master row with the same id",
    ]


BAD_FILTERS = [
    ("10.1.1.300", "is neither an address, nor a network, nor a host name"),
    ("10.1.1.0/33", "is neither an address, nor a network, nor a host name"),
    ("10.1.1.*", "is neither an address, nor a network, nor a host name"),
    ("10.1.1.x", "is neither an address, nor a network, nor a host name"),
    ("10.1.1.1-9", "is neither an address, nor a network, nor a host name"),
    ("a b", "is neither an address, nor a network, nor a host name"),
    ("192.0.2.1:2404", "has a port, but a master may connect from any port of its own"),
    ("[::1]:2404", "has a port, but a master may connect from any port of its own"),
]


@pytest.mark.parametrize(("item", "reason"), BAD_FILTERS)
def test_a_bad_item_of_a_filter_is_named_and_ignored(item: str, reason: str) -> None:
    text = GROUP.replace("Y,", f"Y,{item};192.0.2.7")
    assert lines(text) == [f"E x.csv:2: column hosts: value '{item}': {reason}; {FILTERS}"]
    assert config(text).groups[0].masters[0].hosts == HostFilter((ip_network("192.0.2.7"),))


@pytest.mark.parametrize("cell", ["10.1.1.300", ";", "*;?"])
def test_a_filter_without_a_good_item_admits_nobody(cell: str) -> None:
    text = GROUP.replace("Y,", f"Y,{cell}")
    assert lines(text)[-1] == (
        f"E x.csv:2: column hosts: value '{cell}': has no usable item, so nobody can connect; "
        f"{FILTERS}, or nothing for anybody"
    )
    hosts = config(text).groups[0].masters[0].hosts
    assert hosts == HostFilter()
    assert not hosts.is_open
    assert not hosts.admits_address("127.0.0.1")


def test_a_network_written_with_an_address_inside_is_said() -> None:
    text = GROUP.replace("Y,", "Y,192.0.2.16/24")
    assert lines(text) == [
        "N x.csv:2: column hosts: value '192.0.2.16/24': is read as the network 192.0.2.0/24; "
        + FILTERS
    ]


ADMISSION = [
    ("192.0.2.0/24", "192.0.2.9", True),
    ("192.0.2.0/24", "192.0.3.9", False),
    ("192.0.2.0/24", "::ffff:192.0.2.9", True),
    ("192.0.2.0/255.255.255.0", "192.0.2.9", True),
    ("::ffff:192.0.2.9", "192.0.2.9", True),
    ("::ffff:192.0.2.0/120", "192.0.2.9", True),
    ("192.0.2.9", "192.0.2.9", True),
    ("192.0.2.9", "192.0.2.10", False),
    ("2001:db8::/32", "2001:db8::5", True),
    ("2001:db8::/32", "192.0.2.9", False),
    ("fe80::/10", "fe80::1%eth0", True),
    ("192.0.2.9", "nonsense", False),
    ("scada.example", "192.0.2.9", False),
    ("", "192.0.2.9", True),
    ("", "nonsense", True),
]


@pytest.mark.parametrize(("cell", "peer", "is_admitted"), ADMISSION)
def test_who_is_admitted_by_address(cell: str, peer: str, is_admitted: bool) -> None:
    hosts = config(GROUP.replace("Y,", f"Y,{cell}")).groups[0].masters[0].hosts
    assert hosts.admits_address(peer) is is_admitted
