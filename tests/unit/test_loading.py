"""Files are cut between records, wherever quotes and line feeds are."""

from __future__ import annotations

import csv
import hashlib
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tsext.errors import LoadError
from tsext.loading import csv_files, formats, planning
from tsext.loading.csv_files import CsvFile
from tsext.loading.formats import Format, Records, State
from tsext.loading.sources import Mark, Range, Stamp, digest

FIELDS = st.text(alphabet=st.sampled_from(list("ab\",;\\\n\r'é. ")), max_size=8)
TABLES = st.lists(st.lists(FIELDS, min_size=2, max_size=3), min_size=1, max_size=12)


@pytest.fixture
def small(monkeypatch):
    """Blocks and parts of a few bytes, so that everything lies across a border."""

    def sizes(block, part):
        monkeypatch.setattr(formats, "BLOCK", block)
        monkeypatch.setattr(csv_files, "SMALLEST", part)
        monkeypatch.setattr(csv_files, "PARTS", 1000)

    return sizes


def written(rows, **dialect):
    """With quotes where they are needed; Python has them around a line feed only if lines end with it."""
    buffer = io.StringIO(newline="")
    if any(set(cell) & {"\n", "\r"} for row in rows for cell in row):
        dialect = {**dialect, "quoting": csv.QUOTE_ALL}
    csv.writer(buffer, **dialect).writerows(rows)
    return buffer.getvalue().encode()


def planned(file):
    """The parts that are made of a file."""
    outline = file.outline()
    marks = list(file.marks(outline.records))
    pieces = planning.pieces(marks, [None] * len(marks), outline.most) if marks else []
    return [each.range for each in pieces], marks


def read(data, **dialect):
    return list(csv.reader(io.StringIO(data.decode(), newline=""), **dialect))


DIALECTS = st.sampled_from(
    [
        ({"lineterminator": "\n"}, Format()),
        ({"lineterminator": "\r\n"}, Format()),
        ({"lineterminator": "\r"}, Format()),
        ({"lineterminator": "\n", "delimiter": ";", "quotechar": "'"}, Format(delimiter=";", quote="'", escape="'")),
        (
            {"lineterminator": "\n", "doublequote": False, "escapechar": "\\", "quoting": csv.QUOTE_ALL},
            Format(escape="\\"),
        ),
    ]
)


@given(rows=TABLES, dialect=DIALECTS, block=st.integers(1, 40), part=st.integers(1, 60))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_parts_of_a_file_hold_the_records_of_the_file(rows, dialect, block, part, small, tmp_path):
    written_as, format = dialect
    small(block, part)
    data = written(rows, **written_as)
    path = tmp_path / "file.csv"
    path.write_bytes(data)
    file = CsvFile(path, format, header=False)
    ranges, marks = planned(file)
    parts = [file.part(each) for each in ranges]
    texts = [each.open().read() for each in parts]
    assert b"".join(texts) == data
    assert [record for text in texts for record in read(text, **written_as)] == read(data, **written_as) == rows
    newline = parts[0].records.newline
    assert newline == written_as["lineterminator"][-1:].encode()
    for each, text in zip([*ranges, *(mark.range for mark in marks)], [*texts, *map(of(data), marks)], strict=True):
        assert (each.line, each.lines) == (data[: each.begin].count(newline) + 1, text.count(newline))
        assert not (each.plain and set(text) & set(b'"\\'))
    assert b"".join(map(of(data), marks)) == data
    for sample in (sample for mark in marks for sample in mark.samples):
        assert len(read(sample.part.open().read(), **written_as)) == 1
        assert sample.text == sample.part.text()
    single = [read(each, **written_as) for each in divided_to_the_end(parts[0])]
    assert single == [[row] for row in read(texts[0], **written_as)]
    for line in range(1, texts[0].count(newline) + 1):
        pieces = parts[0].divided(line)
        assert b"".join(each.open().read() for each in pieces) == (texts[0] if pieces else b"")
        records = [read(each.open().read(), **written_as) for each in pieces]
        assert not pieces or [
            each
            for each, records in zip(pieces, records, strict=True)
            if len(records) == 1
            and each.line <= parts[0].line + line - 1 < each.line + each.open().read().count(newline)
        ]


def of(data):
    return lambda mark: data[mark.range.begin : mark.range.end]


def divided_to_the_end(part):
    pieces = part.divided(None)
    return [text for each in pieces for text in divided_to_the_end(each)] if pieces else [part.open().read()]


@given(data=st.binary(max_size=30).map(lambda data: data.translate(bytes(b'a"\\\n'[each % 4] for each in range(256)))))
@settings(max_examples=500)
def test_an_escape_counts_inside_quotes_only(data):
    """As in the server's CopyReadLineText."""
    quoted = escaped = False
    for byte in data:
        if quoted and byte == ord("\\"):
            escaped = not escaped
        if byte == ord('"') and not escaped:
            quoted = not quoted
        if byte != ord("\\"):
            escaped = False
    records = Records(Format(escape="\\"))
    for cut in range(len(data) + 1):
        assert records.after(records.after(State(), data[:cut]), data[cut:]) == (quoted, escaped)


def test_a_quote_in_the_middle_begins_what_is_quoted_as_in_the_server(tmp_path, small):
    small(4, 1)
    (tmp_path / "file.csv").write_bytes(b'a"b\nc"d\nnext\n')
    ranges, _ = planned(CsvFile(tmp_path / "file.csv", Format(), header=False))
    assert ranges == [Range(0, 8, 1, 2), Range(8, 13, 3, 1)]


def test_the_header_names_the_columns(tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(b'\xef\xbb\xbftime,"two\nlines"\n1,2\n3,\n')
    file = CsvFile(path, Format(), header=True)
    assert file.outline().columns == ["time", "two\nlines"]
    (range,), (mark, *_) = planned(file)
    assert (range.begin, range.end, range.line, range.lines) == (20, 27, 3, 2)
    assert mark.samples[0].text == b"1,2"
    assert [file.values(each) for each in (b"1,2", b'3,""', b"3,")] == [["1", "2"], ["3", None], ["3", None]]
    path.write_bytes(b"")
    with pytest.raises(LoadError, match="is empty"):
        file.outline()
    assert planned(CsvFile(path, Format(), header=False)) == ([], [])


@pytest.mark.parametrize(
    ("text", "left", "lines"),
    [
        ("1\n\\.\n2\n", ["1\n", "2\n"], [2]),
        ("1\r\n\\.", ["1\r\n"], [2]),
        ('1\n"\n\\.\n"\n', ['1\n"\n\\.\n"\n'], []),
        ("1\\.\n\\.x\n", ["1\\.\n\\.x\n"], []),
        ("\\.\n\\.\n1\n2\n\\.\n", ["1\n2\n"], [1, 2, 5]),
    ],
)
@pytest.mark.parametrize("block", [1, 2, 3, 100])
def test_what_older_servers_take_for_the_end_is_left_out(text, left, lines, block, tmp_path, small):
    small(block, 1000)
    (tmp_path / "file.csv").write_bytes(text.encode())
    (whole,), marks = planned(CsvFile(tmp_path / "file.csv", Format(), header=False))
    markers = [marker for mark in marks for marker in mark.end_markers]
    assert [each.line for each in markers] == lines
    kept = [each.range for each in planning.without(planning.Piece(whole, None), markers)]
    assert [text[each.begin : each.end] for each in kept] == left
    assert [each.line for each in kept] == [text[: each.begin].count("\n") + 1 for each in kept]


def test_what_is_in_one_chunk_is_copied_straight_into_it_if_that_is_worth_a_task():
    marks = [Mark(Range(each * 10, each * 10 + 10, each, 1), [f"sample {each}"]) for each in range(12)]
    chunks = ["a", "a", "a", "a", "b", "c", "c", None, "d", "d", "d", "d"]
    owners = planning.owners(marks, chunks)
    assert owners == ["a", "a", "a", None, None, "c", None, None, "d", "d", "d", "d"]
    found = [(each.range.begin, each.range.end, each.chunk) for each in planning.pieces(marks, owners, 320)]
    assert found == [(0, 30, "a"), (30, 80, None), (80, 120, "d")]
    evenly = [(each.range.begin, each.range.end) for each in planning.pieces(marks, [None] * 12, 50)]
    assert evenly == [(0, 40), (40, 80), (80, 120)]


def test_a_file_is_hashed_as_far_as_it_is_asked_for(tmp_path):
    path = tmp_path / "file.csv"
    path.write_bytes(b"0123456789" * 1000)
    for length in (10, 5000, 20, None):
        assert digest(path, Stamp.of(path), length) == hashlib.sha256(path.read_bytes()[:length]).hexdigest()


@pytest.mark.parametrize(
    ("format", "data", "plain"),
    [
        (Format(), b"1,2\r\n", True),
        (Format(), b'"1",2\n', False),
        (Format(), b"1,\\2\n", False),
        (Format(delimiter="x"), b"1x2\n", False),
        (Format(null="\\N"), b"1,2\n", False),
        (Format(encoding="SJIS"), b"1,2\n", False),
    ],
)
def test_what_is_plain_is_sent_as_text(format, data, plain):
    assert format.is_plain(data) is plain
    assert Format().options(plain=True) == "(FORMAT text, DELIMITER ',', NULL '', ENCODING 'UTF8')"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"delimiter": "\n"}, "the delimiter is '\\\\n'"),
        ({"quote": "«"}, "the quote is '«'"),
        ({"delimiter": '"'}, "delimiter and quote are both"),
        ({"encoding": "SJIS", "escape": "\\"}, "may have a byte that looks like"),
    ],
)
def test_formats_that_cannot_be_split_are_refused(given, message):
    with pytest.raises(LoadError, match=message):
        Format(**given)


def test_files_that_cannot_be_read_in_the_middle_are_refused(tmp_path):
    packed = tmp_path / "file.csv.gz"
    packed.write_bytes(b"\x1f\x8b\x08")
    with pytest.raises(LoadError, match=f"hint: unpack it first: gunzip {packed}"):
        CsvFile(packed, Format(), header=False).outline()
    with pytest.raises(LoadError, match="is not a file that can be read again"):
        CsvFile(Path("/dev/null"), Format(), header=False).outline()
    with pytest.raises(LoadError, match="No such file"):
        CsvFile(tmp_path / "none", Format(), header=False).outline()


def test_ranges_are_kept_in_the_words_of_the_ledger():
    range = Range(10, 20, 3, 4)
    assert (range.lower, range.upper) == ("10, line 3", "20")
    assert Range.read(range.lower, range.upper) == Range(10, 20, 3, 0)
    assert Range.read(Range(1, 2, 3, 4, plain=True).lower, "2") == Range(1, 2, 3, 0, plain=True)
    assert range.joined(Range(20, 25, 7, 2)) == Range(10, 25, 3, 6)
