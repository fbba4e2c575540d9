"""The table of options and the typed options are one thing."""

from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import pytest

from core.config import BY_NAME, OPTIONS, BadValue, Kind, Option, Options, Scope, Settings
from core.config.options import Value, keyword, nearest

PER_ENTRY = [option for option in OPTIONS if option.scope is not Scope.PROGRAM]


def test_every_option_of_an_entry_is_a_typed_attribute_with_the_same_default() -> None:
    names = {field.name for field in fields(Options)}
    assert {option.name for option in PER_ENTRY} == names
    defaults = Options()
    for option in PER_ENTRY:
        assert getattr(defaults, option.name) == option.default


@pytest.mark.parametrize("option", PER_ENTRY, ids=lambda option: option.name)
def test_the_type_of_an_attribute_is_that_of_its_option(option: Option) -> None:
    hint = get_type_hints(Options)[option.name]
    if option.kind is Kind.CHOICE:
        assert get_origin(hint) is Literal
        assert get_args(hint) == option.choices
    else:
        kinds = {Kind.SECONDS: float, Kind.WHOLE: int, Kind.ADDRESSES: tuple[str, ...]}
        assert hint == kinds[option.kind]


def test_the_program_settings_have_the_defaults_of_the_table() -> None:
    settings = Settings()
    assert settings.nogui == BY_NAME["nogui"].default
    assert settings.ntp_update_every_sec == BY_NAME["ntp_update_every_sec"].default
    assert settings.ntp_mode == BY_NAME["ntp_mode"].default
    assert settings.ntp_max_step == BY_NAME["ntp_max_step"].default
    assert settings.ntp_servers == ()


def test_names_are_unique_and_help_is_a_sentence() -> None:
    assert len(BY_NAME) == len(OPTIONS)
    for option in OPTIONS:
        assert option.help[0].isupper()
        assert option.help.endswith(".")


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_default_is_accepted_as_it_is_shown(option: Option) -> None:
    if option.kind is not Kind.HOST:
        assert option.check(option.shown(option.default)) == option.default


DEFAULTS: dict[str, Value] = {
    "idletime": 60, "t0": 30, "t1": 15, "t2": 10, "t3": 20, "k": 12, "w": 8, "buffer": 50000,
    "startdt": "on_demand", "gi": "queue", "gi_data": "all", "orphans": "drop", "oa": "index",
    "ca": "map", "command_timeout": 10, "term_timeout": 120, "select_timeout": 30,
    "interrogation_timeout": 60, "same": "new", "same_ip": "all", "conns": 1, "mode": "pair",
    "rights": "full", "clock": "forward", "bind": (), "connect_rate": 300,
}  # fmt: skip


def test_the_defaults_are_those_of_the_design() -> None:
    assert {option.name: option.default for option in PER_ENTRY} == DEFAULTS


GOOD: list[tuple[str, str, Value]] = [
    ("t1", "1", 1.0),
    ("t1", "255", 255.0),
    ("t1", " 2.5 ", 2.5),
    ("t1", "2,5", 2.5),
    ("t3", "172800", 172800.0),
    ("k", "32767", 32767),
    ("w", "007", 7),
    ("startdt", "Always", "always"),
    ("gi_data", "BACKGROUND", "background"),
    ("ca", "keep", "keep"),
    ("same_ip", "Old", "old"),
    ("nogui", "", True),
    ("nogui", "Yes", True),
    ("nogui", "0", False),
    ("ntp_server", "pool.ntp.org", "pool.ntp.org"),
    ("ntp_server", "2001:db8::1", "2001:db8::1"),
    ("ntp_update_every_sec", "60", 60),
    ("ntp_mode", "Watch", "watch"),
    ("ntp_max_step", "60", 60.0),
    ("ntp_max_step", "31536000", 31_536_000.0),
    ("bind", "All", ()),
    ("bind", "192.0.2.5", ("192.0.2.5",)),
    ("bind", " 192.0.2.5 ;; [::1];192.0.2.5;", ("192.0.2.5", "::1")),
    ("bind", "0.0.0.0;::", ("0.0.0.0", "::")),
    ("bind", "0.0.0.0;2001:DB8::0:1", ("0.0.0.0", "2001:db8::1")),
    ("bind", "::ffff:192.0.2.5", ("192.0.2.5",)),
    ("bind", "fe80::1%eth0", ("fe80::1%eth0",)),
    ("connect_rate", "0", 0),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_good_values_are_accepted(name: str, text: str, value: Value) -> None:
    found = BY_NAME[name].check(text)
    assert found == value
    assert type(found) is type(value)


NO_SECONDS = "is not a number of seconds"
BAD = [
    ("t1", "", "is empty"),
    ("t1", "0", "is outside the range"),
    ("t1", "0.5", "is outside the range"),
    ("t1", "256", "is outside the range"),
    ("t1", "-1", NO_SECONDS),
    ("t1", "15 s", NO_SECONDS),
    ("t1", "nan", NO_SECONDS),
    ("t1", "inf", NO_SECONDS),
    ("t1", "1e1", NO_SECONDS),
    ("t3", "172801", "is outside the range"),
    ("t3", "9" * 5000, NO_SECONDS),
    ("k", "0", "is outside the range"),
    ("k", "32768", "is outside the range"),
    ("k", "12.0", "is not a whole number"),
    ("k", "-5", "is not a whole number"),
    ("k", "9" * 5000, "is not a whole number"),
    ("startdt", "ondemand", "is not one of the choices"),
    ("same_ip", "replace", "is not one of the choices"),
    ("nogui", "perhaps", "is neither yes nor no"),
    ("ntp_mode", "off", "is not one of the choices"),
    ("ntp_max_step", "0", "is outside the range"),
    ("bind", "", "is empty"),
    ("bind", ";", "is empty"),
    ("bind", "localhost", "is not a list of IP addresses"),
    ("bind", "all;192.0.2.5", "is not a list of IP addresses"),
    ("bind", "192.0.2.0/24", "is not a list of IP addresses"),
    ("bind", "192.0.2.5:2404", "is not a list of IP addresses"),
    ("bind", "fe80::1%e\x1b[2J", "is not a list of IP addresses"),
    ("bind", "224.0.0.1", "has an address on which nobody can listen"),
    ("bind", "192.0.2.5;ff02::1", "has an address on which nobody can listen"),
    ("bind", "255.255.255.255", "has an address on which nobody can listen"),
    ("bind", "0.0.0.0;192.0.2.5", "has 0.0.0.0 beside an address that is one of it"),
    ("bind", "::1;::", "has :: beside an address that is one of it"),
    ("connect_rate", "-1", "is not a whole number"),
    ("ntp_server", "a b", "is not a host name or IP address"),
    ("ntp_server", "fe80::1%e\x1b[2J", "is not a host name or IP address"),
    ("ntp_server", "10.1.1.300", "is not a host name or IP address"),
]


@pytest.mark.parametrize(("name", "text", "reason"), BAD)
def test_bad_values_are_refused_with_the_reason(name: str, text: str, reason: str) -> None:
    assert BY_NAME[name].check(text) == BadValue(reason)


def test_what_is_accepted_is_said_in_words() -> None:
    assert BY_NAME["t1"].accepted == "1 to 255 seconds"
    assert BY_NAME["k"].accepted == "a whole number from 1 to 32767"
    assert BY_NAME["same"].accepted == "new, replace or old"
    assert BY_NAME["ca"].accepted == "map, pass or keep"
    assert BY_NAME["bind"].accepted == (
        "all, or addresses of this machine such as 192.0.2.5 or ::1, separated by ;"
    )
    assert BY_NAME["nogui"].accepted == "no value, or yes or no"
    assert BY_NAME["ntp_server"].accepted == "one host name or IP address"


def test_keywords_count_in_any_letter_case_and_by_their_alias() -> None:
    assert keyword("NoGui") is BY_NAME["nogui"]
    assert keyword("NTPserver") is BY_NAME["ntp_server"]
    assert keyword("no gui") is None


NEAR = [
    ("no gui", "nogui"),
    ("NTP-Server", "ntp_server"),
    ("t_1", "t1"),
    ("T 3:", "t3"),
    ("idle_time", "idletime"),
    ("idltime", "idletime"),
    ("same ip", "same_ip"),
    ("comand_timeout", "command_timeout"),
    ("ntp_update_every_secs", "ntp_update_every_sec"),
    ("id", None),
    ("kk", None),
    ("t4", None),
    ("server", None),
    ("block", None),
    ("Substation", None),
    ("idletime " * 10, None),
]


@pytest.mark.parametrize(("word", "name"), NEAR)
def test_a_near_miss_is_guessed_and_an_ordinary_word_is_not(word: str, name: str | None) -> None:
    assert nearest(word) == name


def test_options_of_the_other_role_stand_at_their_defaults() -> None:
    options = Options(k=20, gi="forward", conns=3)
    assert options.for_role(Scope.RTU) == Options(k=20, gi="forward")
    assert options.for_role(Scope.MASTER) == Options(k=20, conns=3)
