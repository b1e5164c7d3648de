"""Prices in files of long format: here, or wherever fsspec reaches."""

from __future__ import annotations

from collections.abc import Hashable, Set
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd

from wf_dagster.errors import DataError
from wf_dagster.prices.addresses import complete_address, is_address
from wf_dagster.prices.columns import ColumnSource, Selection
from wf_dagster.prices.file_listing import (
    KINDS,
    PriceFiles,
    kind_of,
    list_elsewhere,
    list_here,
)
from wf_dagster.prices.file_tables import PriceTables
from wf_dagster.prices.seldom import ask_seldom


class _FilePrices(ColumnSource):
    kind = ""

    def __init__(
        self, path: str | Path, as_of: Any = None, min_coverage: float | None = None
    ) -> None:
        super().__init__(as_of, min_coverage)
        self.path = locate_files(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        return {
            "path": str(self.path),
            "as_of": None if self.as_of is None else str(self.as_of.date()),
            **self._own_coverage(),
        }

    def _files(self) -> PriceFiles:
        files = list_files(self.path)
        kind = kind_of(files.names[0])
        if kind != self.kind and files.is_folder:
            raise DataError(
                f"the folder {files.root} holds no {' or '.join(KINDS[self.kind])} file, but such "
                f"as {files.names[0]}"
            )
        return files

    def _place(self) -> Hashable:
        return self.path

    def _content(self) -> str:
        if isinstance(self.path, Path):
            return self._files().content()
        return ask_seldom(self.path, lambda: self._files().content())

    def _content_now(self) -> str:
        if isinstance(self.path, Path):
            return self._files().content()
        return ask_seldom(self.path, lambda: self._files().content(), anew=True)

    def _read_fields(self) -> list[str]:
        return self._tables().fields()

    def _read(self, selection: Selection) -> pd.DataFrame:
        return self._tables().read(selection)

    def _tables(self) -> PriceTables:
        files = self._files()
        return _open_tables(files, self.kind, files.content())

    def _finds_rows(self, fields: Set[str]) -> bool:
        if self.kind == "csv":  # it is parsed from its first row on
            return False
        return not fields & self._tables().texts()


class ParquetPrices(_FilePrices):
    """Prices in a Parquet file, or in all Parquet files of a folder and of those below it.

    Args:
        path: File or folder, or the address of one such as ``"s3://bucket/prices"``; columns
            ``datetime``, ``instrument``, ``close`` and further fields, dates without time zone,
            sorted. Columns may stand in the names of folders (``year=2020/``, as Hive writes
            them). Files of a folder that have no column ``instrument`` hold one each, that of
            their name.
        as_of: Replay date; later rows are hidden.
        min_coverage: As of :class:`FrameSource`.

    Raises:
        DataError: An address holds a password.
    """

    kind = "parquet"


class CsvPrices(_FilePrices):
    """Prices in CSV files, which may be compressed (``.csv.gz``, ``.csv.zst``).

    See :class:`ParquetPrices`.
    """

    kind = "csv"


class FeatherPrices(_FilePrices):
    """Prices in Feather or Arrow files (see :class:`ParquetPrices`)."""

    kind = "feather"


def locate_files(path: str | Path) -> Path | str:
    """The path of files here, or the address of files elsewhere.

    Raises:
        DataError: The address holds a password.
    """
    text = str(path)
    if not (isinstance(path, str) and is_address(text)):
        return Path(path).expanduser().absolute()
    if text.startswith(("file://", "local://")):
        return Path(text.partition("://")[2]).expanduser().absolute()
    return complete_address(text)


def list_files(place: Path | str) -> PriceFiles:
    """The price files on a path, or at an address.

    Raises:
        DataError: There are none, or of several kinds.
    """
    return list_here(place) if isinstance(place, Path) else list_elsewhere(place)


def make_file_source(
    path: str | Path, as_of: Any, min_coverage: float | None = None
) -> _FilePrices | None:
    """The source of a file or folder; ``None`` if it is neither.

    Raises:
        DataError: A folder holds no price file, or files of several kinds.
    """
    place = locate_files(path)
    kind = kind_of(str(place))
    if kind is None or (isinstance(place, Path) and place.is_dir()):
        if isinstance(place, Path) and not place.is_dir():
            return None
        kind = kind_of(list_files(place).names[0])
    sources: dict[str | None, type[_FilePrices]] = {
        "parquet": ParquetPrices,
        "csv": CsvPrices,
        "feather": FeatherPrices,
    }
    return sources[kind](place, as_of, min_coverage) if kind in sources else None


@lru_cache(maxsize=2)
def _open_tables(files: PriceFiles, kind: str, _content: str) -> PriceTables:
    """The tables of files, whose columns are looked up once."""
    return PriceTables(files, kind)
