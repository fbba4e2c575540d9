"""Thirty stations in all the states there are, with traffic and logs: for pictures and for the eye.

python -m tests.app.gui.demo            the window, with data that is made up
"""

import random
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from app.inifile import IniFile
from core.config import Config, MasterEntry, RtuEntry
from core.feed import Feed, Frame, Sent
from core.logs import Level, LogLine
from core.protocol import objects as o
from core.protocol.apci import s_frame
from core.protocol.codec import DataUnit, IFrame, UFrame, encode_apdu
from core.protocol.codes import Cause, TypeId, UFunction
from core.status import ClockSeverity, ClockStatus, Facts, MasterState, RtuState
from tests.app.gui.fakecore import FakeCore, ini

STATIONS = (
    "RTU-ABB", "Naseem", "Hafeet", "Sitra", "Riffa", "Khuff", "Wafra", "Salmi", "Jahra", "Sabiya",
    "Doha-W", "Fintas", "Zour-N", "Zour-S", "Mina", "Subiya", "Shuaiba", "Ardiya", "Hawally",
    "Jabriya", "Rumaithiya", "Bayan", "Salwa", "Mishref", "Qurain", "Adan", "Qusour", "Funaitees",
    "Shamiya", "Kaifan",
)  # fmt: skip
MASTERS = ("ABB-1", "OSI-1", "ABB-2", "OSI-2", "BACKUP")
NOW = datetime(2026, 11, 20, 23, 53, 12, tzinfo=UTC)
DOWN = {"Hafeet", "Sabiya"}
SKIPPED = (
    "700,NoPort,,,Y,10.1.1.0/24", "700,,2600,12,Y,", "abc,Name,2601,12,Y,"
)  # fmt: skip


def text() -> str:
    rows = [
        "# Stations of the north and the south", "ntp_server,192.0.2.123,,,,", "t1,15,,,,",
        "# id,sys name,port no,rtu no,master,hosts",
    ]  # fmt: skip
    port, rng = 2406, random.Random(4)
    for number, name in enumerate(STATIONS):
        group = 111 * (number + 1) if number < 3 else 600 + number
        hosts = f"10.20.{number}.11:2404;10.20.{number}.12:2404"
        rows.append(f"{group},{name},,{32 if not number else 100 + number},N,{hosts}")
        masters = 5 if not number else 3 + rng.randrange(2)
        for master in MASTERS[:masters]:
            ca = rng.choice((32, 1, 100 + number))
            ca = {"ABB-1": 1, "OSI-1": 47, "BACKUP": 1}.get(master, ca) if not number else ca
            rows.append(f"{group},{master},{port},{ca},Y,192.168.1.16;10.1.1.0/24")
            port += 1
    return "\n".join([*rows, *SKIPPED]) + "\n"


class Demo:
    """A fake core with thirty stations."""

    REFUSED = (
        "10.1.1.11:50219: C_SC_NA_1 CA 1 IOA 5001 cause 6 refused: selected by another master; "
        "it was C_SC_NA_1 activation CA 1 IOA 5001 = on execute"
    )

    def __init__(self, folder: Path) -> None:
        self.file: IniFile = ini(folder / "iec104mm2ss.csv", text())
        self.config: Config = self.file.config
        self.feed = Feed()
        self.core = FakeCore(self.feed)
        self._rng = random.Random(7)
        self._number = 0
        self._speeds: dict[str, tuple[float, float]] = {}
        for group in self.config.groups:
            self._group(group.rtu, group.masters)
        self.feed.put_clock(
            ClockStatus("Set 23:45:02 · +3.2 ms", ClockSeverity.OK,
                        "Set at 23:45:02 from 192.0.2.123.\nMeasured +3.2 ms, delay 8 ms.")
        )  # fmt: skip
        self._logs()

    def _group(self, rtu: RtuEntry, masters: Sequence[MasterEntry]) -> None:
        rng, put = self._rng, self.core.put
        is_down = rtu.name in DOWN
        at = NOW - timedelta(seconds=rng.randrange(3600, 50000))
        if is_down:
            put(rtu.key, RtuState.CONNECTING, self.config, f"{rtu.hosts[1]}: no answer within 3 s")
        else:
            put(rtu.key, RtuState.ONLINE, self.config, "", str(rtu.hosts[0]), at)
            self._speeds[rtu.key] = (rng.uniform(1, 9), rng.uniform(0.2, 2))
        for n, master in enumerate(masters):
            fate = self._fate(rtu.name, master.name)
            if is_down:
                put(master.key, MasterState.HELD, self.config)
            elif fate is MasterState.REFUSED:
                put(master.key, MasterState.REFUSED, self.config,
                    "10.9.3.4:50122: not in the list of hosts")  # fmt: skip
                self.core.counters.setdefault(master.key, self.core.snapshot()[0][1].__class__())
                self.core.counters[master.key].peers_refused = 12
            elif fate is MasterState.LISTENING:
                put(master.key, MasterState.LISTENING, self.config)
            else:
                peer = f"10.1.1.{11 + n}:{rng.randrange(49152, 65535)}"
                up = at + timedelta(seconds=rng.randrange(3000))
                put(master.key, MasterState.ONLINE, self.config, "", peer, up)
                self._speeds[master.key] = (rng.uniform(0, 0.5), rng.uniform(1, 9))
                self.core.facts_of[master.key] = Facts(
                    "started", 912, 4471, 2, 12, 0, 0, 50_000, NOW - timedelta(seconds=721), "",
                    up, (peer,),
                )  # fmt: skip

    def _fate(self, rtu: str, master: str) -> MasterState:
        if rtu == STATIONS[0]:
            known = {"ABB-2": MasterState.REFUSED, "OSI-2": MasterState.LISTENING}
            return known.get(master, MasterState.ONLINE)
        dice = self._rng.random()
        if dice < 0.05:
            return MasterState.REFUSED
        return MasterState.LISTENING if dice < 0.17 else MasterState.ONLINE

    def second(self) -> None:
        """A second of traffic in the counters."""
        counted = {status.key: counters for status, counters in self.core.snapshot()}
        for key, (into, out) in self._speeds.items():
            counters = counted[key]
            counters.asdus_in += round(self._rng.uniform(0.4, 1.6) * into)
            counters.asdus_out += round(self._rng.uniform(0.4, 1.6) * out)

    # Logs

    def _logs(self) -> None:
        for label, start in (("S/RTU-ABB", 0.0), ("M/ABB-1", 0.0)):
            self._log(self.key(label), start)
        self.core.logs["#program"] = [
            _line(0.0, "iec104mm2ss 1.0.0 started with /opt/gateway/iec104mm2ss.csv: 30 groups, "
                  f"{len(list(self.config.entries))} entries, logs in /opt/iec104mm2ss/log"),
            *(_line(0.01, str(d)) for d in self.file.reading.diagnostics),
            _line(1.2, "NTP: Set 23:48:13 · +3.2 ms (192.0.2.123: +3.2 ms)"),
        ]  # fmt: skip

    def key(self, label: str, group: int = 111) -> str:
        return f"{group}/{label}"

    def _log(self, key: str, start: float) -> None:
        """Lines as the gateway writes them."""
        settings = "settings t0 30, t1 15, t2 10, t3 20, k 12, w 8, idletime 60, buffer 50000"
        if "/S/" in key:
            lines = [
                f"S/RTU-ABB: group 111, RTU number 32, hosts 10.20.0.11:2404, {settings}",
                "trying 10.20.0.11:2404",
            ]
            life = [
                "connected to 10.20.0.11:2404", "startdt transmitted", "startdt con received",
                "end of initialization received, CA 32",
                "M_ME_NC_1: common address 33 is not configured",
                "C_SC_NA_1: nobody asked for it", "stopdt transmitted", "stopdt con received",
                "disconnected: closed by the peer",
            ]  # fmt: skip
        else:
            lines = [
                f"M/ABB-1: group 111, port 2406, RTU number 1, hosts any, {settings}",
                "listening on port 2406",
            ]
            life = [
                "connected from 10.1.1.11:50219", "startdt act/con done",
                "end of initialization transmitted", self.REFUSED,
                "C_SC_NA_1 IOA 5001: no answer from the RTU", "stopdt act received",
                "disconnected: closed by the peer",
            ]  # fmt: skip
        while len(lines) < 62:
            lines += [line for line in life if self._rng.random() < 0.9]
        lines.insert(44, "internal error: it was a test of what an error looks like")
        texts, at = [], start
        for line in lines:
            at += self._rng.uniform(0.2, 3.0)
            texts.append(_line(at, line))
        self.core.logs[key] = texts

    def flow(self, key: str, count: int) -> None:
        """Further lines, as they would come now."""
        for n in range(count):
            level = Level.WARNING if n % 7 == 3 else Level.INFO
            if "/S/" in key:
                warning, info = (
                    "M_ME_NC_1: common address 33 is not configured",
                    "startdt con received",
                )
            else:
                warning, info = self.REFUSED, "startdt act/con done"
            text = warning if level is Level.WARNING else info
            at = NOW - timedelta(seconds=60 - 2.3 * n)
            self.core.log(key, text, level, at)

    # Traffic

    def frames(self) -> None:
        """What a command and some data look like on the wire of group 111."""
        rtu, abb, osi = self.key("S/RTU-ABB"), self.key("M/ABB-1"), self.key("M/OSI-1")
        others = [self.key(f"M/{name}") for name in ("ABB-1", "OSI-1", "BACKUP")]
        numbers = {rtu: 929, abb: 41, osi: 912}
        quality = o.Quality

        def data(kind: TypeId, obj: o.InformationObject, cause: Cause, to: Sequence[str]) -> None:
            self._put(rtu, DataUnit(kind, cause, 32, (obj,)), to, numbers)

        for n in range(4):
            command = o.SingleCommand(5001, True, 0, select=not n % 2)
            for cause, into, out in (
                (Cause.ACTIVATION, osi, rtu),
                (Cause.ACTIVATION_CON, rtu, osi),
            ):
                ca = 47 if into == osi else 32
                unit = DataUnit(TypeId.C_SC_NA_1, cause, ca, (command,), oa=0 if into == osi else 2)
                self._put(into, unit, [out], numbers, oa=2 if out == rtu else 0)
            data(TypeId.M_SP_NA_1, o.SinglePoint(193, False), Cause.SPONTANEOUS, others)
            data(TypeId.M_ME_NC_1, o.ShortFloat(1611, 0.0, quality.INVALID | quality.NOT_TOPICAL),
                 Cause.INTERROGATED, [osi])  # fmt: skip
            data(TypeId.M_ME_NC_1, o.ShortFloat(1343, 132.71), Cause.SPONTANEOUS, others)
            data(TypeId.M_DP_NA_1, o.DoublePoint(812, 2), Cause.SPONTANEOUS, others)
            self._raw(rtu, s_frame(935 + n), is_received=False)
            self._raw(osi, encode_apdu(UFrame(UFunction.TESTFR_ACT)), is_received=True)
            self._raw(osi, encode_apdu(UFrame(UFunction.TESTFR_CON)), is_received=False)
        data(TypeId.M_ME_NC_1, o.ShortFloat(815, 50.003), Cause.SPONTANEOUS, others)

    def _put(
        self, key: str, unit: DataUnit, to: Sequence[str], numbers: dict[str, int], oa: int = 0
    ) -> None:
        numbers[key] = numbers.get(key, 100) + 1
        octets = encode_apdu(IFrame(numbers[key], 41, unit))
        sent = []
        for each in to:
            entry = next(e for e in self.config.entries if e.key == each)
            ns = numbers[each] = numbers.get(each, 7) + 1
            other = encode_apdu(IFrame(ns, 930, unit))
            other = other[:9] + bytes((oa,)) + entry.numbers[0].to_bytes(2, "little") + other[12:]
            sent.append(Sent(each, other))
        self._frame(key, octets, True, tuple(sent))

    def _raw(self, key: str, octets: bytes, *, is_received: bool) -> None:
        self._frame(key, octets, is_received, ())

    def _frame(self, key: str, octets: bytes, is_received: bool, sent: tuple[Sent, ...]) -> None:
        self._number += 1
        at = NOW - timedelta(seconds=120 - self._number * 0.137)
        self.core.frames([Frame(111, self._number, at, key, is_received, octets, sent)])


def _line(seconds: float, text_: str) -> str:
    return str(LogLine("", NOW - timedelta(seconds=300 - seconds), Level.INFO, text_))


def main() -> None:
    from app import start as starter

    with tempfile.TemporaryDirectory() as folder:
        import threading

        demo = Demo(Path(folder))
        objection = starter.objection()
        if objection:
            raise SystemExit(objection)
        starter.run(demo.core, demo.feed, demo.file, Path(folder), threading.Event())


if __name__ == "__main__":
    main()
