"""What DATA may be: a file, a folder of parts, an address.

All become local files, read as one table of texts.

Reads: what a person names; `https://…` and `s3://…` come through `dvc import-url` into
data/source/, so that `dvc update data/source/<name>.dvc` (or the same `make adopt` again) brings a
newer version and `dvc diff` says so.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa

from ml.adopt.source.dialect import sniff
from ml.adopt.source.raw_store import dvc
from ml.adopt.source.remote import check_address
from ml.contract import Source
from ml.dataset.csv_file import Watch, open_bytes
from ml.dataset.parser import as_text
from ml.dataset.reader import is_parquet, read_texts
from ml.errors import UserError, closest

SOURCE = Path("data/source")
ADDRESS = re.compile(r"^(https?|s3)://", re.IGNORECASE)
ENDINGS = (".csv", ".tsv", ".txt", ".data", ".parquet", ".gz", ".pq")


def local_parts(data: str) -> list[Path]:
    """The local files that DATA names, in name order.

    Raises:
        UserError: no such file, a folder without tables, an address that DVC cannot follow.
    """
    path = fetched(data) if ADDRESS.match(data) else Path(data).expanduser()
    if path.is_dir():
        return _tables(path)
    if not path.is_file():
        near = _near(path)
        raise UserError(f"{path}: no such file{near}", "make adopt DATA=your.csv TARGET=column")
    return [path]


def _tables(folder: Path) -> list[Path]:
    tables = sorted(filter(_is_table, folder.iterdir()))
    if not tables:
        raise UserError(
            f"{folder}: a folder without tables ({', '.join(ENDINGS)})",
            "make adopt DATA=your.csv TARGET=column",
        )
    return tables


def _is_table(path: Path) -> bool:
    return path.is_file() and path.name[0] != "." and path.name.lower().endswith(ENDINGS)


def _near(path: Path) -> str:
    beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    alike = closest(path.name, beside)
    return f' (there is "{alike[0]}")' if alike else ""


def fetched(address: str) -> Path:
    """The file (or S3 folder) at an address, imported by DVC.

    A second call brings the newer version, if there is one.

    Raises:
        UserError: an address that must not be recorded or followed, or that DVC cannot read.
    """
    check_address(address)
    name = PurePosixPath(urlsplit(address).path).name
    SOURCE.mkdir(parents=True, exist_ok=True)
    target = SOURCE / re.sub(r"[^A-Za-z0-9._-]+", "_", name)
    try:
        _import(address, target)
    except UserError as error:
        raise UserError(
            f"{address}: {error.what}", "check the address, or download it and give the file"
        ) from None
    return target


def _import(address: str, target: Path) -> None:
    record = target.with_name(f"{target.name}.dvc")
    if record.is_file() and address in record.read_text(encoding="utf-8"):
        dvc("update", str(record))
    else:
        dvc("import-url", "--force", address, str(target))


def read(
    paths: list[Path], names: tuple[str, ...] = (), watch: Watch | None = None, encoding: str = ""
) -> tuple[pa.Table, Source]:
    """The parts' rows as one table of texts, and how all of them are written.

    Args:
        paths: the parts.
        names: of the columns, where the first line does not name them.
        watch: shows how far the reading is.
        encoding: of the text parts, as a codec's name; empty: from their bytes.

    Raises:
        UserError: a part is unreadable, written otherwise than the first, or has other columns.
    """
    source = _source(paths, names, encoding)
    tables = [read_texts(path, source, watch) for path in paths]
    first = tables[0].column_names
    for path, table in zip(paths, tables, strict=True):
        _check_same_columns(path, table.column_names, paths[0], first)
    return _joined([table.select(first) for table in tables]), source


def _check_same_columns(path: Path, columns: list[str], first: Path, expected: list[str]) -> None:
    other = sorted(set(expected) ^ set(columns))
    if other:
        has = "lacks" if other[0] in expected else "has"
        raise UserError(
            f'{path}: it {has} the column "{other[0]}", unlike {first}', "give parts of one shape"
        )


def _joined(tables: list[pa.Table]) -> pa.Table:
    if len({table.schema.remove_metadata() for table in tables}) > 1:
        tables = [pa.table({n: as_text(t[n]) for n in t.column_names}) for t in tables]
    return pa.concat_tables(tables)


def _source(paths: list[Path], names: tuple[str, ...], encoding: str) -> Source:
    """One `Source` for all text parts; plain ASCII goes with any encoding."""
    sniffed = {path: sniff(path, names, encoding) for path in paths if not is_parquet(path)}
    if not sniffed:
        return Source()
    sources = list(sniffed.values())
    first = next((source for source in sources if source.encoding != "utf-8"), sources[0])
    for path, source in sniffed.items():
        if not _is_written_alike(path, source, first):
            raise UserError(
                f'{path}: separator "{source.separator}" and {source.encoding}, other parts:'
                f' "{first.separator}" and {first.encoding}',
                "write all parts in one way",
            )
    return first


def _is_written_alike(path: Path, source: Source, first: Source) -> bool:
    if source.separator != first.separator:
        return False
    if source.encoding == first.encoding:
        return True
    return source.encoding == "utf-8" and first.encoding != "utf-16" and is_ascii(path)


def is_ascii(path: Path) -> bool:
    """Whether the file reads the same in every encoding of one byte for each ASCII letter."""
    with open_bytes(path) as file:
        return all(chunk.isascii() for chunk in iter(lambda: file.read(1 << 22), b""))
