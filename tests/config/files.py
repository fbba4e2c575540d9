"""Small files for the tests of this room, and the diagnostics as they are shown."""

from pathlib import Path

from core.config import Config, read

SAMPLE = (Path(__file__).parents[2] / "iec104mm2ss.csv").read_bytes()

RTU = "11,RTU,,5,N,127.0.0.1:2404\n"
MASTER = "11,SCADA,2406,5,Y,\n"
GROUP = RTU + MASTER

ENDPOINTS = "accepted: IP:PORT or NAME:PORT, IPv6 as [::1]:2404, several separated by ;"
FILTERS = (
    "accepted: addresses such as 192.0.2.16, networks such as 192.0.2.0/24 or host names, "
    "separated by ;"
)


def lines(text: str | bytes) -> list[str]:
    """Each diagnostic as shown, with its severity's first letter in front."""
    data = text if isinstance(text, bytes) else text.encode()
    return [f"{d.severity[0].upper()} {d}" for d in read(data, "x.csv")[1]]


def config(text: str | bytes) -> Config:
    data = text if isinstance(text, bytes) else text.encode()
    return read(data, "x.csv")[0]


EXPECTED = config(GROUP)
"""What every disguise of the same two rows is read as."""
