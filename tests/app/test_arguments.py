"""The command line over the file."""

import pytest

from app.arguments import parse
from core.config import Config, Settings

FILE = Config(Settings(ntp_servers=("b.example", "c.example"), ntp_update_every_sec=300))


def test_time_servers_of_both_are_joined_those_of_the_command_line_first():
    given = parse(["-s", "a.example", "--ntp_server", "c.example"])
    assert given.over(FILE).settings.ntp_servers == ("a.example", "c.example", "b.example")


@pytest.mark.parametrize(
    ("argv", "seconds"), [([], 300), (["-t", "60"], 60), (["--ntp_update_every_sec", "61"], 61)]
)
def test_the_command_line_goes_before_the_file(argv, seconds):
    assert parse(argv).over(FILE).settings.ntp_update_every_sec == seconds


@pytest.mark.parametrize("flag", ["-n", "--nogui", "-nogui"])
def test_no_window_may_be_asked_for_by_either(flag):
    assert parse([flag]).over(FILE).settings.nogui
    assert not parse([]).over(FILE).settings.nogui
    assert parse([]).over(Config(Settings(nogui=True))).settings.nogui


def test_nothing_given_changes_nothing():
    assert parse([]).over(FILE) == FILE


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["-t", "0"], "'0' is outside the range; accepted: a whole number from 1 to 604800"),
        (["-t", "soon"], "'soon' is not a whole number"),
        (["-s", "a b"], "'a b' is not a host name or IP address"),
        (["--nope"], "--nope"),
        (["more.csv"], "more.csv"),
        (["-i"], "expected one argument"),
        (["--ntp_serv", "x"], "--ntp_serv"),
    ],
)
def test_a_wrong_one_is_named_in_one_line(argv, words, capsys):
    with pytest.raises(SystemExit) as end:
        parse(argv)
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert words in line
