"""The yellow fields: their texts into an entry, or what is wrong with them."""

from dataclasses import replace

import pytest

from app.forms import Field, Texts, captions, check, entry_of, texts_of, with_entry
from core.config import Config, MasterEntry, RtuEntry, read

TEXT = b"""111,RTU-ABB,,32,N,192.0.2.1:2404
111,ABB-1,2406,1,Y,192.168.1.16;10.1.1.0/24
111,OSI-1,2407,100,Y,
222,Naseem,,101;102,N,[::1]:2404
222,ABB-1,2411,47;48,Y,
"""
MASTER, RTU, PAIR = "111/M/ABB-1", "111/S/RTU-ABB", "222/M/ABB-1"


@pytest.fixture
def config() -> Config:
    return read(TEXT, "t.csv")[0]


def test_what_stands_in_the_fields_is_what_the_file_says(config: Config) -> None:
    assert texts_of(entry_of(config, MASTER)) == Texts(
        "ABB-1", "2406", "1", "192.168.1.16;10.1.1.0/24"
    )
    assert texts_of(entry_of(config, RTU)) == Texts("RTU-ABB", "n/a", "32", "192.0.2.1:2404")
    assert texts_of(entry_of(config, "222/S/Naseem")).hosts == "[::1]:2404"
    assert captions(entry_of(config, RTU))[Field.HOSTS] != captions(entry_of(config, MASTER))


@pytest.mark.parametrize("key", [MASTER, RTU, PAIR, "222/S/Naseem", "111/M/OSI-1"])
def test_unchanged_fields_give_the_same_entry(config: Config, key: str) -> None:
    entry = entry_of(config, key)
    assert check(config, key, texts_of(entry)).entry == entry


def test_changed_fields_give_a_changed_entry(config: Config) -> None:
    found = check(config, MASTER, Texts(" NEW ", " 2499 ", "7", "10.0.0.1"))
    assert found.messages == ()
    assert isinstance(found.entry, MasterEntry)
    assert (found.entry.name, found.entry.port, found.entry.numbers) == ("NEW", 2499, (7,))
    assert found.entry.key == MASTER
    rtu = check(config, RTU, Texts("R", "n/a", "9", "192.0.2.9:2405;host:1"))
    assert isinstance(rtu.entry, RtuEntry)
    assert [str(host) for host in rtu.entry.hosts] == ["192.0.2.9:2405", "host:1"]


WRONG = [
    (MASTER, {"port": "2407"}, Field.PORT,
     "Port 2407 is already used by M/OSI-1 in group 111. Choose another port from 1 to 65535."),
    (MASTER, {"port": "2411"}, Field.PORT, "Port 2411 is already used by M/ABB-1 in group 222."),
    (MASTER, {"port": "abc"}, Field.PORT, "Port 'abc' is not a port number, for example 2407."),
    (MASTER, {"port": ""}, Field.PORT, "Port is empty, for example 2407."),
    (MASTER, {"port": "70000"}, Field.PORT, "Port '70000' is not a port number"),
    (MASTER, {"name": "  "}, Field.NAME, "Name is empty, for example OSI-1."),
    (MASTER, {"numbers": "0"}, Field.NUMBERS, "RTU number '0' is not an RTU number"),
    (MASTER, {"numbers": "1;2"}, Field.NUMBERS, "2 RTU numbers here, but S/RTU-ABB has 1."),
    (PAIR, {"numbers": "47"}, Field.NUMBERS, "1 RTU number here, but S/Naseem has 2."),
    (PAIR, {"numbers": "47;47"}, Field.NUMBERS, "has 47 twice"),
    (MASTER, {"hosts": "10.1.1.0/24;300.1.1.1"}, Field.HOSTS, "Hosts '300.1.1.1' is neither"),
    (RTU, {"hosts": "10.20.2.11:2404;10.20.2.12"}, Field.HOSTS,
     "Hosts '10.20.2.12' has no port, for example 10.20.2.12:2404."),
    (RTU, {"hosts": ""}, Field.HOSTS, "Hosts is empty"),
    (RTU, {"numbers": "1;2"}, Field.NUMBERS, "2 RTU numbers here, but M/ABB-1 has 1."),
]  # fmt: skip


@pytest.mark.parametrize(("key", "changed", "field", "said"), WRONG)
def test_a_wrong_field_is_named_with_its_value_and_an_example(
    config: Config, key: str, changed: dict[str, str], field: Field, said: str
) -> None:
    texts = replace(texts_of(entry_of(config, key)), **changed)
    found = check(config, key, texts)
    assert found.entry is None
    assert found.bad_fields == {field}
    (message,) = [m for m in found.messages if m.is_error]
    assert said in message.text


def test_what_would_be_altered_is_said_but_accepted(config: Config) -> None:
    texts = texts_of(entry_of(config, MASTER))
    found = check(config, MASTER, replace(texts, name="A NAME THAT IS TOO LONG"))
    assert found.entry is not None
    assert found.entry.name == "A NAME THAT IS"
    assert "too long and is cut to" in found.messages[0].text
    assert not found.messages[0].is_error
    empty = check(config, MASTER, replace(texts, hosts=""))
    assert empty.entry is not None
    assert "anybody may connect" in empty.messages[0].text
    network = check(config, MASTER, replace(texts, hosts="10.1.1.7/24"))
    assert "10.1.1.0/24" in network.messages[0].text
    same = check(config, MASTER, replace(texts, name="OSI-1"))
    assert same.entry is not None
    assert "also the name of another" in same.messages[0].text


def test_an_edited_configuration_has_the_keys_the_file_would_give(config: Config) -> None:
    entry = entry_of(config, MASTER)
    renamed, key = with_entry(config, replace(entry, name="OSI-1"))
    assert key == "111/M/OSI-1"
    # It stands first in the file, so the other one is the repeat, as the reader would have it.
    assert [m.key for m in renamed.groups[0].masters] == ["111/M/OSI-1", "111/M/OSI-1#2"]
    written = TEXT.replace(b"111,ABB-1", b"111,OSI-1")
    assert read(written, "t.csv")[0] == renamed
    back, key = with_entry(renamed, replace(entry_of(renamed, key), name="ABB-1"))
    assert back == config
    assert key == MASTER
    with pytest.raises(KeyError):
        entry_of(config, "none")
