"""A table file as columns that remember their lines: CSV (plain, gzip, or one in a zip), parquet and feather.

Numbers are read as float64, exactly rounded: up to 15 significant digits come back as they stood in the file, and
trailing zeros ("46216.93000000") are no digits. All failures are BadHistory with file, line and reason.
"""

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from trading.errors import BadHistory
from trading.market.series import Floats, Ints, to_ms

TEXT = (".csv", ".csv.gz", ".zip")
COLUMNAR = (".parquet", ".feather")
DIGITS = 15  # what a float64 always gives back
LAST_MS = to_ms(datetime(2200, 1, 1, tzinfo=UTC))  # a later time is no candle's

Aliases = Mapping[str, Sequence[str]]  # our name -> the names that files give the column, the best first


def kind_of(path: Path) -> str | None:
    """The file's suffix as one of TEXT and COLUMNAR, or None for a file of another kind."""
    name = path.name.lower()
    return next((kind for kind in TEXT + COLUMNAR if name.endswith(kind)), None)


def name_of(path: Path) -> str:
    """How messages call a file: with its folder, since candles and funding share file names."""
    return f"{path.parent.name}/{path.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """The wanted columns of one file. `raw` is the file's text, empty for parquet and feather."""

    path: Path
    data: Mapping[str, Any]  # our name -> pyarrow ChunkedArray, as text when the file is text
    found: tuple[str, ...]  # all names in the file
    raw: bytes
    skipped: int  # lines before the first row

    def __len__(self) -> int:
        return max((len(column) for column in self.data.values()), default=0)

    def where(self, row: int) -> str:
        """ "spot/BTCUSDT.csv, line 17": lines count from 1 with the header, rows of parquet and feather from 1."""
        if not self.raw:
            return f"{name_of(self.path)}, row {row + 1}"
        lines = enumerate(self.raw.splitlines()[self.skipped :], self.skipped + 1)
        filled = [number for number, line in lines if line]
        return f"{name_of(self.path)}, line {filled[row]}"

    def bad(self, row: int, reason: str) -> BadHistory:
        return BadHistory(f"{self.where(row)}: {reason}")

    def require(self, names: Sequence[str]) -> None:
        missing = [name for name in names if name not in self.data]
        if missing:
            line = f", line {self.skipped or 1}" if self.raw else ""
            found = ", ".join(self.found)
            raise BadHistory(f"{name_of(self.path)}{line}: missing column {', '.join(missing)}; found {found}")

    def numbers(self, name: str) -> Floats:
        """The column as finite numbers; anything else is BadHistory with the text found."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self._present(name)
        if column.type != pa.float64():  # by way of text, so that a float32 keeps its digits and no others
            text = column.cast(pa.string())
            try:
                column = text.cast(pa.float64())
            except pa.ArrowInvalid:
                text = pc.utf8_trim_whitespace(text)
                for row, value in enumerate(text.to_pylist()):
                    if not _is_number(value):
                        raise self.bad(row, f"{name} is not a number: {value!r}") from None
                column = text.cast(pa.float64())
        values: Floats = column.to_numpy()
        wrong = np.flatnonzero(~np.isfinite(values))
        if len(wrong):
            row = int(wrong[0])
            raise self.bad(row, f"{name} is not a number: {str(self.data[name][row].as_py())!r}")
        return values

    def times(self, name: str) -> Ints:
        """The column as milliseconds UTC, from epoch s, ms, us or ns, ISO text, or a timestamp type. No zone is UTC."""
        import pyarrow as pa

        column = self._present(name)
        if pa.types.is_temporal(column.type):
            times = column.cast(pa.timestamp("ms"), safe=False).cast(pa.int64()).to_numpy().astype(np.float64)
        elif pa.types.is_string(column.type) and not _is_number(column[0].as_py()):
            times = self._iso(name, column.to_pylist())
        else:
            epoch = self.numbers(name)
            times = epoch * np.select([epoch < 1e11, epoch < 1e14, epoch < 1e17], [1e3, 1.0, 1e-3], 1e-6)
        wrong = np.flatnonzero((times < 0) | (times > LAST_MS))
        if len(wrong):
            row = int(wrong[0])
            raise self.bad(row, f"{name} is not a time: {str(column[row].as_py())!r}")
        rounded: Ints = np.rint(times).astype(np.int64)
        return rounded

    def long(self, name: str) -> int:
        """How many numbers of a text file have more significant digits than a float64 keeps."""
        import pyarrow as pa
        import pyarrow.compute as pc

        column = self.data[name]
        if not pa.types.is_string(column.type):
            return 0
        texts = column.filter(pc.greater(pc.utf8_length(column), DIGITS + 1)).to_pylist()
        return sum(_significant(text) > DIGITS for text in texts)

    def _present(self, name: str) -> Any:
        column = self.data[name]
        if column.null_count:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise self.bad(row, f"{name} has no value")
        return column

    def _iso(self, name: str, texts: Sequence[str]) -> Floats:
        times = np.empty(len(texts))
        for row, text in enumerate(texts):
            try:
                at = datetime.fromisoformat(text.strip())
            except ValueError:
                raise self.bad(row, f"{name} is not a time: {text!r}") from None
            times[row] = to_ms(at if at.tzinfo else at.replace(tzinfo=UTC))
        return times


def read_columns(path: Path, wanted: Aliases, *, headerless: Mapping[int, Sequence[str]] | None = None) -> Columns:
    """The columns of `wanted` that the file has. `headerless`: names by column count, for text without a header."""
    import pyarrow as pa

    kind = kind_of(path)
    try:
        if kind in TEXT:
            return _from_text(path, _text(path, kind), wanted, headerless or {})
        return _from_columnar(path, kind, wanted)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, csv.Error, pa.ArrowException) as reason:
        raise BadHistory(f"{name_of(path)}: cannot be read: {str(reason).splitlines()[0]}") from reason


def _text(path: Path, kind: str) -> bytes:
    if kind == ".zip":
        with zipfile.ZipFile(path) as archive:
            inside = [name for name in archive.namelist() if name.lower().endswith(".csv")]
            if len(inside) != 1:
                raise BadHistory(f"{name_of(path)}: one csv is expected in a zip, {len(inside)} are there")
            raw = archive.read(inside[0])
    else:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if kind == ".csv.gz" else raw
    return raw.removeprefix(b"\xef\xbb\xbf")


def _from_text(path: Path, raw: bytes, wanted: Aliases, headerless: Mapping[int, Sequence[str]]) -> Columns:
    import pyarrow as pa
    import pyarrow.csv as reader

    head = [(number, line) for number, line in enumerate(raw[:65536].splitlines()) if line.strip()][:2]
    if not head:
        raise BadHistory(f"{name_of(path)}, line 1: the file is empty")
    cells = [cell.strip() for cell in next(csv.reader([head[0][1].decode("utf-8", "replace")]))]
    has_header = not _is_time(cells[0])
    if has_header and len(head) == 1:
        raise BadHistory(f"{name_of(path)}, line 1: a header and no rows")
    names = [_plain(cell) for cell in cells] if has_header else _unnamed(path, cells, headerless)
    chosen = _choose(path, names, wanted)
    skipped = head[0][0] + has_header
    try:
        table = reader.read_csv(
            io.BytesIO(raw),
            read_options=reader.ReadOptions(use_threads=False, column_names=names, skip_rows=skipped),
            convert_options=reader.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), include_columns=list(chosen.values())
            ),
        )
    except pa.ArrowInvalid:
        for number, line in enumerate(raw.splitlines(), 1):
            if line and line.count(b",") + 1 != len(names):
                expected = f"{line.count(b',') + 1} values where {len(names)} are expected"
                raise BadHistory(f"{name_of(path)}, line {number}: {expected}") from None
        raise
    data = {ours: table[theirs] for ours, theirs in chosen.items()}
    return Columns(path=path, data=data, found=tuple(names), raw=raw, skipped=skipped)


def _from_columnar(path: Path, kind: str | None, wanted: Aliases) -> Columns:
    import pyarrow.feather as feather
    import pyarrow.parquet as parquet

    table = parquet.ParquetFile(path).read() if kind == ".parquet" else feather.read_table(path, memory_map=False)
    if not len(table):
        raise BadHistory(f"{name_of(path)}: the file has no rows")
    table = table.rename_columns([_plain(name) for name in table.column_names])
    chosen = _choose(path, table.column_names, wanted)
    data = {ours: _as_text(table[theirs]) for ours, theirs in chosen.items()}
    return Columns(path=path, data=data, found=tuple(table.column_names), raw=b"", skipped=0)


def _as_text(column: Any) -> Any:
    """Text of any storage type as the one that is handled here; other columns as they are."""
    import pyarrow as pa

    kind = column.type
    texts = pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind)
    return column.cast(pa.string()) if texts else column


def _choose(path: Path, names: Sequence[str], wanted: Aliases) -> dict[str, str]:
    """Our name -> the file's name, where the file has one."""
    chosen = {ours: next((a for a in aliases if a in names), "") for ours, aliases in wanted.items()}
    for theirs in filter(None, chosen.values()):
        if names.count(theirs) > 1:
            raise BadHistory(f"{name_of(path)}, line 1: column {theirs} is there {names.count(theirs)} times")
    return {ours: theirs for ours, theirs in chosen.items() if theirs}


def _unnamed(path: Path, cells: Sequence[str], headerless: Mapping[int, Sequence[str]]) -> list[str]:
    if len(cells) not in headerless:
        known = (
            f"; without one, {' or '.join(str(count) for count in headerless)} columns are read" if headerless else ""
        )
        raise BadHistory(f"{name_of(path)}, line 1: no header{known}, found {len(cells)} columns")
    return list(headerless[len(cells)])


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_")


def _is_time(text: str) -> bool:
    if _is_number(text):
        return True
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _is_number(text: str) -> bool:
    """By the same reader that reads the columns, so that the two never differ."""
    import pyarrow as pa

    try:
        pa.scalar(text.strip(), pa.string()).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def _significant(text: str) -> int:
    mantissa = text.strip().lower().partition("e")[0].lstrip("+-")
    return len(mantissa.replace(".", "").strip("0"))
