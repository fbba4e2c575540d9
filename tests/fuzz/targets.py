"""What is fuzzed: for each target the function, where its inputs begin and how many it gets."""

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.protocol.codec import DecodeError, decode_apdu
from core.protocol.jsonform import to_json
from tests.fuzz import asdus, configs, framing, links, routing, simulation, twins
from tests.support import vectors

CORPUS = Path(__file__).parent / "corpus"
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that octets from outside reach."""

    name: str
    run: Callable[[bytes], None]
    """Raises nothing, whatever it is given; what it raises is a find."""
    share: int
    """Its part of all inputs, in thousandths."""
    longest: int
    """Octets of an input."""
    seeds: Callable[[], Sequence[bytes]]
    """Inputs that are right."""
    words: tuple[bytes, ...] = ()
    """What a mutation puts in."""
    is_slow: bool = False
    """Dozens rather than thousands a second: left out of the run in seconds."""


def corpus_of(name: str) -> list[bytes]:
    """The inputs kept in the repository: one for each way through the program."""
    path = CORPUS / f"{name}.txt"
    if not path.exists():
        return []
    return [base64.b85decode(line) for line in path.read_text("ascii").split()]


def write_corpus(name: str, inputs: Sequence[bytes]) -> None:
    """Keep these, shortest first."""
    lines = [base64.b85encode(one).decode() for one in sorted(inputs, key=lambda i: (len(i), i))]
    (CORPUS / f"{name}.txt").write_text("\n".join(lines) + "\n", "ascii")


def _apdus() -> list[bytes]:
    named = (*vectors.WELL_FORMED, "malformed")
    octets = [vectors.octets(v) for name in named for v in vectors.load(name)]
    return [one for one in octets if one and len(one) <= 120]


def _streams() -> list[bytes]:
    """Frames behind each beginning of a link; numbers are put right."""
    frames = _apdus()
    starts = [bytes([role, state, 0, 0, 3, 1, cut])
              for role in (0, 1) for state in range(5) for cut in (0, 7)]  # fmt: skip
    return [
        start + b"".join(frames[n + i] for i in range(3))
        for n, start in enumerate(starts * 8)
        if n + 3 <= len(frames)
    ]


def _asdus() -> list[bytes]:
    return [one[6:] for one in _apdus() if len(one) >= 12]


def _jsons() -> list[bytes]:
    edits = [bytes([n * 37 % 256, 0, *range(n, n + 12)]) for n in range(60)]
    return [*(json.dumps(one).encode() for one in _frames_as_json()), *edits]


def _frames_as_json() -> Iterator[object]:
    for octets in _apdus():
        try:
            yield to_json(decode_apdu(octets))
        except DecodeError:
            continue


def _lives(length: int) -> Callable[[], list[bytes]]:
    """Decisions by chance, the same in every run."""
    return lambda: [random.Random(n).randbytes(length) for n in range(60)]


_ONE_PORT = b"""# iec104MM2SS-1port-v1.0
20,Lighthouse,2420,7,3,60,15,10,20,8,12,5000,Y,all,10.20.0.7:2404;10.20.0.8:2404,10.1.1.0/24
21,Breakwater,2421,8,2,,,,,,,,,old,10.20.0.9:2404,,gi_data=requester,rights=monitor
"""
_GROUPS = b"""k,12\nt1,15\nntp_server,192.0.2.1
10,Harbour,,5,N,10.20.0.5:2404;10.20.0.6:2404,startdt=always,gi=forward
10,"Old, centre",2410,5,Y,10.1.1.0/24,conns=2,mode=pair
10;New centre;2411;1005;Y;10.9.0.10;buffer=100000
! nothing below
10,Spare,2412,5,Y,
"""


def _configs() -> list[bytes]:
    sample = (_ROOT / "iec104mm2ss.csv").read_bytes()
    texts = [sample, _ONE_PORT, _GROUPS, b"\xef\xbb\xbf" + _GROUPS.replace(b"\n", b"\r\n")]
    texts += [_GROUPS.replace(b",", b";"), _GROUPS.replace(b",", b"\t"), b"\xe4" + _ONE_PORT]
    return [b"\0\1\2\3\4\5" + text for text in texts]


_SCENARIO = b"""when,action,arguments
at 10,silent
every 30,avalanche,500,2
on command 5000,set,act_con=off
on interrogation,close,station=3
on C_SC_NA_1 5000,value,voltage,12.5
3,release,voltage
at 1,invalid,lamp
at 2,valid,lamp
on start,restart,0.5
on any,set,period=1
"""


def _scenarios() -> list[bytes]:
    return [_SCENARIO, _SCENARIO.replace(b",", b";"), *_SCENARIO.splitlines()]


def _points() -> list[bytes]:
    whole = json.loads((_ROOT / "assets" / "Datapoints.json").read_text("utf-8"))
    names = list(whole)
    parts = [{name: whole[name] for name in names[at : at + 2]}
             for at in range(0, len(names), max(1, len(names) // 20))]  # fmt: skip
    own = [
        {"p": {"type": kind, "IOAddress": 7, "unit": unit, "simulation": course, "group": 1}}
        for kind in ("M_ME_NC_1", "M_IT_NA_1", "M_ST_NA_1", "M_BO_NA_1", "M_PS_NA_1", "M_EP_TD_1")
        for unit, course in (("kV", "sine(10,20,60)"), ("%", "ramp(0,1,5,2)"), ("", "toggle(3)"))
    ]
    return [json.dumps(one).encode() for one in (*parts, *own)]


_CELLS = (
    b",", b";", b"\t", b"\r\n", b"\n", b'"', b'""', b"!", b"#", b"=", b"Y", b"N", b"127.0.0.1:2404",
    b"[::1]:2404", b"10.0.0.0/8", b"k=", b"w=", b"t1=", b"t2=", b"mode=each", b"conns=", b"ca=keep",
    b"nogui", b"ntp_server", b"ntp_mode", b"iec104MM2SS-1port-v1.0", b"65535", b"65536", b"-1",
    b"1e3", b"\xff", b"\xc3\xa4", b"\xef\xbb\xbf", b"\0", b"32;33", b"same=replace", b"rights=",
)  # fmt: skip
_PLAYED = (
    b"at ", b"every ", b"on ", b"any", b"command", b"start", b"connect", b"set,", b"restart,",
    b"avalanche,", b"value,", b"voltage", b"lamp", b"breaker", b"energy", b"tap", b"share",
    b"1e30", b"-1e30", b"1e-320", b"nan", b"inf", b"0.05", b"station=", b"act_con=off", b"\n", b",",
    b"period=0", b"buffer=1", b"gi_pause=1", b"silent_after=", b"time_tags=off", b"batch=1", b"oa=",
)  # fmt: skip
_JSON = (
    b'"', b"{", b"}", b"[", b"]", b":", b",", b"null", b"true", b"false", b"1e400", b"-1", b"NaN",
    b"1e-320", b"\\ud800", b"\\n", b"99999999999999999999", b'"value":', b'"ioa":', b'"octets":',
    b'"bits":', b'"raw":', b'"time":', b'"objects":', b'"format":"I"', b'"type_id":', b'"cot":',
)  # fmt: skip
_MEMBERS = (
    *_JSON, b'"IOAddress":', b'"type":', b'"simulation":', b'"unit":', b'"group":', b'"period":',
    b'"dead band":', b'"return":', b'"select":', b"sine(", b"ramp(", b"steps(", b"toggle(",
    b"counter(", b"random(", b"current(", b"M_ME_NA_1", b"M_SP_TB_1", b"C_SC_NA_1", b"1e30",
    b"-1e30", b"1e-300", b"1e-320", b"0.000001",
)  # fmt: skip
_OCTETS = tuple(
    bytes.fromhex(text)
    for text in (
        "680407000000", "68040b000000", "680413000000", "680423000000", "680443000000",
        "680483000000", "680401000000", "680e0000000064010600010000000014", "ffff", "feff", "0000",
        "680e00000000010103000100640000016804430000006804010002006804fe000000", "68fd", "6804",
    )
)  # fmt: skip

TARGETS: tuple[Target, ...] = (
    Target("framing", framing.one_input, 390, 400, _streams, _OCTETS),
    Target("links", links.one_input, 330, 400, _lives(200)),
    Target("apdus", asdus.apdu, 25, 260, _apdus, _OCTETS),
    Target("asdus", asdus.asdu, 70, 260, _asdus),
    Target("jsonform", asdus.jsonform, 120, 600, _jsons, _JSON),
    Target("routing", routing.one_input, 20, 700, _lives(300)),
    Target("configs", configs.one_input, 10, 600, _configs, _CELLS),
    Target("scenarios", simulation.scenario, 15, 400, _scenarios, _PLAYED),
    Target("points", simulation.points, 10, 500, _points, _MEMBERS),
    Target("requests", simulation.requests, 9, 300, _lives(200)),
    Target("twins", twins.one_input, 1, 6000, _lives(3000), is_slow=True),
)
assert sum(target.share for target in TARGETS) == 1000
BY_NAME = {target.name: target for target in TARGETS}
