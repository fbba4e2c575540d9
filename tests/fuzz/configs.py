"""Any octets as a configuration file, in both dialects, read, written back and edited."""

from core.config import Document, changes, read, read_fully
from tests.fuzz.source import Source

_LONGEST_LINE = 2000
_UTF_16 = "UTF-16"

_CELLS = (
    "", "Y", "N", "2406", "127.0.0.1:2404", "10.0.0.0/8;192.0.2.1", "k=5", "a,b", 'say "so"',
    "a;b", "x\ty", "\u20ac", "\u0416", "!", "#", "11", " blank ", "t1", "two\nlines", '"',
)  # fmt: skip


def one_input(data: bytes) -> None:
    """The first octets say what is edited; the rest is the file."""
    source = Source(data)
    edits = [(source.octet(), source.octet(), source.octet()) for _ in range(2)]
    octets = source.rest()
    well_formed(octets)
    document = Document.parse(octets)
    assert document.to_bytes() == octets
    config, _ = read(octets, "x.csv")
    again, _ = read(octets, "x.csv")
    assert config == again
    assert changes(config, again).is_empty
    for group in config.groups:
        for entry in group.entries:
            assert entry.name.isprintable()
            assert entry.label.isprintable()
    for row in document.rows:  # the same cells are the same text
        assert document.replaced(row.line, row.cells) == document
    if not document.rows:
        return
    edited = document
    for which, place, text in edits:
        row = edited.rows[which % len(edited.rows)]
        cells = list(row.cells)
        cells[place % len(cells)] = _CELLS[text % len(_CELLS)]
        edited = edited.replaced(row.line, cells)
        assert [r.line for r in edited.rows] == [r.line for r in document.rows]
    written = edited.to_bytes()
    well_formed(written)
    reread, _ = read(written, "x.csv")
    changes(config, reread)
    assert Document.parse(written).to_bytes() == written


def well_formed(octets: bytes) -> None:
    """What holds of every reading: one line for each problem, every row accounted for."""
    reading = read_fully(octets, "x.csv")
    for said in (*reading.diagnostics, *reading.rows):
        line = str(said)
        assert line.isprintable()
        assert len(line) < _LONGEST_LINE
    if not any(_UTF_16 in str(said) for said in reading.diagnostics):
        assert [r.line for r in reading.rows] == [r.line for r in Document.parse(octets).rows]
    keys = [entry.key for entry in reading.config.entries]
    assert len(set(keys)) == len(keys)
    ports = [master.port for group in reading.config.groups for master in group.masters]
    assert len(set(ports)) == len(ports)
    for group in reading.config.groups:
        assert group.masters
        assert 1 <= sum(master.seats for master in group.masters) <= 255
        assert group.rtu.hosts
        for entry in group.entries:
            options = entry.options
            assert 1 <= options.w <= options.k <= 32767
            assert 0 < options.t2 < options.t1 <= 255
            assert len(entry.numbers) == len(group.rtu.numbers)
            assert all(1 <= number <= 65535 for number in entry.numbers)
