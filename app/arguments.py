"""What may stand on the command line, and what it makes of the file's settings."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import NoReturn, cast

from app.commands import COMMANDS
from app.service import DEFAULT_NAME, bad_name
from core import __version__
from core.config import BY_NAME, BadValue, Config, Value
from core.config.diagnostics import escaped

DEFAULT_INI = "iec104mm2ss.csv"


class ServiceAct(Enum):
    """What to do about a service of Windows."""

    INSTALL = auto()
    REMOVE = auto()
    RUN = auto()


@dataclass(frozen=True, slots=True)
class Arguments:
    """The command line as values; None where it says nothing."""

    ini: Path | None
    is_check: bool
    is_demo: bool
    demo_seconds: float | None
    nogui: bool
    log_dir: Path | None
    ntp_servers: tuple[str, ...]
    ntp_update_every_sec: int | None
    service: ServiceAct | None
    service_name: str

    def over(self, config: Config) -> Config:
        """The configuration with what the command line says put over it.

        NTP servers of both are joined, those of the command line first.
        """
        settings = config.settings
        every = self.ntp_update_every_sec
        servers = dict.fromkeys((*self.ntp_servers, *settings.ntp_servers))
        return replace(
            config,
            settings=replace(
                settings,
                nogui=settings.nogui or self.nogui,
                ntp_servers=tuple(servers),
                ntp_update_every_sec=settings.ntp_update_every_sec if every is None else every,
            ),
        )


def parse(arguments: Sequence[str] | None) -> Arguments:
    """Read the command line; prints and raises SystemExit (2) on a wrong one, (0) after help."""
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.demo and (given.check or given.ini or given.ntp_server or given.ntp_update_every_sec):
        parser.error(
            "--demo brings its own configuration: -i, -t, -s and --check do not go with it"
        )
    if given.seconds is not None and not given.demo:
        parser.error("--for goes with --demo only")
    _check_service(parser, given)
    return Arguments(
        ini=given.ini,
        is_check=given.check,
        is_demo=given.demo,
        demo_seconds=given.seconds,
        nogui=given.nogui,
        log_dir=given.log_dir,
        ntp_servers=tuple(given.ntp_server),
        ntp_update_every_sec=given.ntp_update_every_sec,
        service=given.service,
        service_name=DEFAULT_NAME if given.name is None else given.name,
    )


def _check_service(parser: argparse.ArgumentParser, given: argparse.Namespace) -> None:
    act = given.service
    if given.name is not None and act not in (ServiceAct.INSTALL, ServiceAct.REMOVE):
        parser.error("--name goes with --install-service and --remove-service only")
    if act is None:
        return
    others = (
        given.demo or given.check or given.nogui or given.ntp_server or given.ntp_update_every_sec
    )
    if others:
        parser.error("with a service go -i, --log-dir and --name only; the rest is for the file")
    if act is ServiceAct.REMOVE and (given.ini or given.log_dir):
        parser.error("--remove-service needs only a --name")


class Parser(argparse.ArgumentParser):
    """One line instead of the whole usage when an argument is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {escaped(message)}; -h shows what is possible\n")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="iec104mm2ss",
        description="Lets several IEC 60870-5-104 masters share one connection to each RTU.",
        epilog="The command line goes before the file, the file before the defaults. "
        "Setting the clock needs administrator or root rights. "
        f"In place of options may stand a command with its own: {_commands()}.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "-i", "--ini", type=Path, metavar="FILE",
        help=f"configuration file (default: {DEFAULT_INI}, here or beside the program)",
    )  # fmt: skip
    add(
        "-t", "--ntp_update_every_sec", type=_seconds, metavar="SEC",
        help="seconds between two looks at the time servers (default: 900)",
    )  # fmt: skip
    add(
        "-s", "--ntp_server", type=_host, action="append", default=[], metavar="HOST",
        help="time server; may be given several times",
    )  # fmt: skip
    add("-n", "--nogui", "-nogui", action="store_true", help="run without a window")
    add("--check", action="store_true", help="say how the file is read, and run nothing")
    add(
        "--log-dir", type=Path, metavar="FOLDER",
        help="where the log files go (default: log, beside the configuration file)",
    )  # fmt: skip
    add(
        "--demo", action="store_true",
        help="show it at work: simulated RTUs, the gateway and simulated masters on this computer",
    )  # fmt: skip
    add(
        "--for", dest="seconds", type=_time, metavar="SEC", help="with --demo: end it after so long"
    )
    for flag, act, text in (
        ("--install-service", ServiceAct.INSTALL, "Windows: make a service that runs the file"),
        ("--remove-service", ServiceAct.REMOVE, "Windows: stop that service and remove it"),
        ("--service", ServiceAct.RUN, "Windows: what the service manager starts it with"),
    ):
        add(flag, dest="service", action=_OneAct, const=act, nargs=0, help=text)
    add(
        "--name", type=_service_name, metavar="NAME",
        help=f"of the service, where there are several (default: {DEFAULT_NAME})",
    )  # fmt: skip
    add("--version", action="version", version=f"iec104mm2ss {__version__}")
    return parser


def _commands() -> str:
    return ", ".join(f"{name} ({command.summary})" for name, command in COMMANDS.items())


class _OneAct(argparse.Action):
    """The first act given is the only one."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object,
        option_string: str | None = None,
    ) -> None:  # fmt: skip
        if getattr(namespace, self.dest) not in (None, self.const):
            parser.error("only one of --install-service, --remove-service and --service")
        setattr(namespace, self.dest, self.const)


def _service_name(text: str) -> str:
    if (why := bad_name(text)) is not None:
        raise argparse.ArgumentTypeError(f"'{text}' {why}")
    return text


def _seconds(text: str) -> int:
    return cast(int, _checked("ntp_update_every_sec", text))  # its check has seen to that


def _time(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is no time above 0 s")
    return seconds


def _host(text: str) -> str:
    return str(_checked("ntp_server", text))


def _checked(name: str, text: str) -> Value:
    """The same check as in the file, so that both accept the same."""
    option = BY_NAME[name]
    value = option.check(text)
    if isinstance(value, BadValue):
        raise argparse.ArgumentTypeError(f"'{text}' {value.reason}; accepted: {option.accepted}")
    return value
