"""Reading never raises, and what is written as rows is read back equal."""

from ipaddress import ip_network

from hypothesis import example, given
from hypothesis import strategies as st

from core.config import (
    ANYBODY,
    OPTIONS,
    Config,
    Document,
    Endpoint,
    Entry,
    GroupConfig,
    HostFilter,
    Kind,
    MasterEntry,
    Options,
    RtuEntry,
    Scope,
    Settings,
    Severity,
    read,
    read_fully,
)
from tests.config.files import MASTER, RTU, SAMPLE

SETTINGS_ROW = st.tuples(st.sampled_from([o.name for o in OPTIONS]), st.text(max_size=8))
WORDS = [
    "1", "2", "11", "5", "Y", "N", "2406", "127.0.0.1:2404", "k=5", "t2=255", "w=32767", "=", "t1",
    "!", '"', "", "ntpserver", "32;33", "[::1]:1", "192.0.2.0/24", "1.5", "nogui", "\0", "\xfc",
]  # fmt: skip
MUTATED = st.lists(
    st.tuples(st.integers(0, len(SAMPLE)), st.integers(0, 12), st.binary(max_size=6)),
    max_size=12,
)


def well_formed(data: bytes) -> None:
    """Read anything: no exception, one-line messages, every row accounted for."""
    reading = read_fully(data, "x.csv")
    for diagnostic in reading.diagnostics:
        assert str(diagnostic).isprintable()
        assert len(str(diagnostic)) < 400
    for row in reading.rows:
        assert str(row).isprintable()
    if not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert [r.line for r in reading.rows] == [r.line for r in Document.parse(data).rows]
    keys = [entry.key for entry in reading.config.entries]
    assert len(keys) == len(set(keys))
    for group in reading.config.groups:
        assert group.masters
        assert sum(master.seats for master in group.masters) <= 255
        for entry in group.entries:
            # What was settled once contradicts nothing any more.
            assert entry.options.w <= entry.options.k
            assert entry.options.t2 < entry.options.t1
            assert len(entry.numbers) == len(group.rtu.numbers)


@given(st.binary())
@example(b"111,\xff\n")
def test_reading_never_raises_on_any_octets(data: bytes) -> None:
    well_formed(data)


@given(st.lists(st.lists(st.sampled_from(WORDS) | st.text(max_size=5), max_size=9)))
def test_reading_never_raises_on_rows_of_anything(rows: list[list[str]]) -> None:
    well_formed("\n".join(",".join(cells) for cells in rows).encode())


@given(st.lists(SETTINGS_ROW, max_size=8), st.lists(SETTINGS_ROW, max_size=8))
def test_reading_never_raises_on_any_settings(
    rows: list[tuple[str, str]], cells: list[tuple[str, str]]
) -> None:
    settings = "".join(f"{name},{value}\n" for name, value in rows)
    options = ",".join(f"{name}={value}" for name, value in cells)
    well_formed((settings + RTU + MASTER.strip() + "," + options).encode())


ONE_PORT_WORDS = WORDS + [o.name + "=2" for o in OPTIONS] + ["all", "old", "255", "1000", "abc"]
ONE_PORT_ROW = st.tuples(
    st.sampled_from(["1", "2", "3", "3.5", "", "#", "t1", "k", "nogui", "!"]),
    st.sampled_from(["RTU", "Substation Harbour", "", "\0"]),
    st.sampled_from(["2401", "2402", "2403", "0", ""]),
    st.sampled_from(["5", "65535", "5;6", ""]),
    *[st.sampled_from(["", "1", "5", "12", "255", "1000", "32767", "0", "x"])] * 8,
    st.sampled_from(["Y", "n", "", "?"]),
    st.sampled_from(["all", "OLD", "new", "", "?"]),
    st.sampled_from(["127.0.0.1:2404", "a:1;b", "b", ""]),
    st.sampled_from(["", "192.0.2.0/24", "10.1.1.300"]),
).map(list)
LOOSE_ROW = st.lists(st.sampled_from(ONE_PORT_WORDS) | st.text(max_size=5), max_size=19)


@given(
    st.lists(st.builds(list.__add__, ONE_PORT_ROW, LOOSE_ROW.map(lambda row: row[:3])) | LOOSE_ROW),
    st.integers(0, 8),
    st.sampled_from([",", ";", "\t"]),
)
def test_reading_never_raises_on_rows_of_the_later_dialect(
    rows: list[list[str]], place: int, delimiter: str
) -> None:
    rows.insert(place, ["# iec104MM2SS-1port-v1.0", "sys name"])
    quoted = [['"' + c.replace('"', '""') + '"' for c in cells] for cells in rows]
    well_formed("\n".join(delimiter.join(cells) for cells in rows).encode())
    well_formed("\n".join(delimiter.join(cells) for cells in quoted).encode())


@given(MUTATED)
def test_reading_never_raises_on_a_mutated_file(changes: list[tuple[int, int, bytes]]) -> None:
    data = bytearray(SAMPLE)
    for position, length, octets in changes:
        data[position : position + length] = octets
    well_formed(bytes(data))
    assert Document.parse(bytes(data)).to_bytes() == bytes(data)


NAME = st.text("abcXYZ019-_#/ .\xe4\u03a9'", min_size=1, max_size=14).filter(
    lambda name: name == name.strip() and "  " not in name
)
HOST = st.sampled_from(["127.0.0.1", "192.0.2.9", "2001:db8::1", "rtu-1.example", "localhost"])
ENDPOINT = st.builds(Endpoint, HOST, st.integers(1, 65535))
NETWORK = st.sampled_from(["192.0.2.0/24", "192.0.2.7", "2001:db8::/32", "::1"]).map(ip_network)
FILTER = st.just(ANYBODY) | st.builds(
    lambda networks, names: HostFilter(tuple(networks), tuple(names)),
    st.lists(NETWORK, min_size=1, max_size=3),
    st.lists(st.sampled_from(["scada", "scada.example"]), max_size=2),
)


@st.composite
def options_of(draw: st.DrawFn, scope: Scope) -> Options:
    values = {}
    for option in OPTIONS:
        if option.scope not in (Scope.ALL, scope) or option.name in ("k", "w", "t1", "t2"):
            continue
        if option.kind is Kind.CHOICE:
            values[option.name] = draw(st.sampled_from(option.choices))
        elif option.kind is Kind.WHOLE:
            values[option.name] = draw(st.integers(option.low, option.high))
        elif option.kind is Kind.ADDRESSES:
            some = st.sampled_from(["192.0.2.5", "127.0.0.1", "::1", "fe80::1%eth0", "2001:db8::7"])
            values[option.name] = tuple(draw(st.lists(some, unique=True)))
        else:
            values[option.name] = float(draw(st.integers(option.low, option.high)))
    if values.get("mode") == "each":
        # Four of them fit into a group.
        values["conns"] = draw(st.integers(1, 63))
    values["k"] = draw(st.integers(1, 32767))
    values["w"] = draw(st.integers(1, values["k"]))
    values["t1"] = float(draw(st.integers(2, 255)))
    values["t2"] = float(draw(st.integers(1, int(values["t1"]) - 1)))
    return Options().with_values(values)


@st.composite
def configs(draw: st.DrawFn) -> Config:
    ids = draw(st.lists(st.integers(0, 10**15 - 1), min_size=1, max_size=3, unique=True))
    ports = iter(range(1, 65536))
    groups = []
    for id_ in ids:
        count = draw(st.integers(1, 3))
        numbers = st.lists(
            st.integers(1, 65535), min_size=count, max_size=count, unique=True
        ).map(tuple)  # fmt: skip
        name = draw(NAME)
        rtu = RtuEntry(
            f"{id_}/S/{name}", 0, id_, name, draw(numbers), draw(options_of(Scope.RTU)),
            tuple(draw(st.lists(ENDPOINT, min_size=1, max_size=3))),
        )  # fmt: skip
        masters = [
            MasterEntry(
                f"{id_}/M/{name}", 0, id_, name, draw(numbers), draw(options_of(Scope.MASTER)),
                next(ports), draw(FILTER),
            )
            for name in draw(
                st.lists(NAME, min_size=1, max_size=4, unique=True)
            )
        ]  # fmt: skip
        groups.append(GroupConfig(id_, rtu, tuple(masters)))
    settings = Settings(
        draw(st.booleans()),
        tuple(draw(st.lists(HOST, unique=True, max_size=3))),
        draw(st.integers(1, 604_800)),
        Options(),
        draw(st.sampled_from(["set", "watch"])),
        float(draw(st.integers(1, 31_536_000))),
    )
    return Config(settings, tuple(groups))


def row_of(entry: Entry, delimiter: str) -> str:
    role = Scope.MASTER if isinstance(entry, MasterEntry) else Scope.RTU
    hosts = str(entry.hosts) if isinstance(entry, MasterEntry) else ";".join(map(str, entry.hosts))
    cells = [
        str(entry.group),
        entry.name,
        str(entry.port) if isinstance(entry, MasterEntry) else "",
        ";".join(map(str, entry.numbers)),
        "Y" if isinstance(entry, MasterEntry) else "N",
        hosts,
    ]
    cells += [
        f"{option.name}={option.shown(getattr(entry.options, option.name))}"
        for option in OPTIONS
        if option.scope in (Scope.ALL, role)
    ]
    return delimiter.join(f'"{cell}"' for cell in cells)


@given(configs(), st.sampled_from([",", ";", "\t"]))
def test_a_configuration_written_as_rows_is_read_back_equal(
    written: Config, delimiter: str
) -> None:
    settings = written.settings
    rows = ["nogui"] if settings.nogui else []
    rows += [f"ntp_server{delimiter}{server}" for server in settings.ntp_servers]
    rows.append(f"ntp_update_every_sec{delimiter}{settings.ntp_update_every_sec}")
    rows.append(f"ntp_mode{delimiter}{settings.ntp_mode}")
    rows.append(f"ntp_max_step{delimiter}{settings.ntp_max_step:.0f}")
    rows += [row_of(entry, delimiter) for entry in written.entries]
    found, diagnostics = read("\r\n".join(rows).encode(), "x.csv")
    assert [str(d) for d in diagnostics if d.severity is Severity.ERROR] == []
    assert found == written
