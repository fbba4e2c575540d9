"""What the sheets of the Help menu say."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from app.actions import keys
from core import __version__

Piece = tuple[str, str]

_ROUTING: Final = (
    ("From the RTU", ""),
    ("Events, cyclic and background data", "every started master"),
    ("Data of an interrogation", "every started master; gi_data: the asker alone, or the others "
     "as background data"),
    ("The answer to a read", "the master that asked"),
    ("Confirmations and terminations", "the master whose command it was, nobody else"),
    ("End of initialization", "nobody; each master gets one of its own when it starts"),
    ("An answer nobody asked for", "dropped and counted; orphans=all: everybody"),
    ("From a master", ""),
    ("Commands, set points, parameters", "the RTU; the same command of another master is refused "
     "until it is answered"),
    ("Select", "the RTU; the point is closed to the other masters until execute or cancel"),
    ("Interrogations", "the RTU, one at a time; equal ones that wait are served as one"),
    ("Another common address than its own", "nobody; answered with unknown common address"),
    ("rights=monitor", "interrogations and reads go to the RTU, all else is refused"),
    ("U and S frames", "stay on their link; every link counts and acknowledges for itself"),
)  # fmt: skip


def keys_text() -> Sequence[Piece]:
    """The list of keys."""
    pieces: list[Piece] = []
    for key, what in keys():
        pieces += ((f"{key}", "bold"), (f"\t{what}\n", ""))
    return pieces


def routing_text() -> Sequence[Piece]:
    """Who receives what."""
    pieces: list[Piece] = [
        ("In short; the manual has every rule and option.\n", "muted"),
    ]
    for what, who in _ROUTING:
        if not who:
            pieces.append((f"\n{what}\n", "bold"))
        else:
            pieces += ((what, ""), (f"\n\t{who}\n", "muted"))
    return pieces


def about_text(ini: Path, logs: Path) -> Sequence[Piece]:
    """Version, licence, where the files are."""
    return (
        (f"Version {__version__}\n\n", "bold"),
        ("IEC 60870-5-104 gateway: several masters share one connection to each RTU.\n\n", ""),
        ("Licence\tGNU General Public License, version 3 or later.\n", ""),
        ("\tThere is no warranty, to the extent permitted by law.\n", "muted"),
        (f"\nConfiguration\t{ini}\n", ""),
        (f"Logs\t{logs}\n", ""),
    )
