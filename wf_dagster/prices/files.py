"""Prices in Parquet or CSV files, in long format."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from wf_dagster.errors import DataError
from wf_dagster.prices.base import FrameSource
from wf_dagster.prices.file_checks import check_long_table
from wf_dagster.tables.parquet_reader import read_parquet


class _FilePrices(FrameSource):
    suffix = ""

    def __init__(
        self, path: str | Path, as_of: Any = None, min_coverage: float | None = None
    ) -> None:
        super().__init__(as_of, min_coverage)
        self.path = Path(path).expanduser().absolute()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        return {
            "path": str(self.path),
            "as_of": None if self.as_of is None else str(self.as_of.date()),
            **self._own_coverage(),
        }

    def _files(self) -> list[Path]:
        if self.path.is_dir():
            files = sorted(self.path.glob(f"*{self.suffix}"))
            if not files:
                raise DataError(f"the folder {self.path} holds no {self.suffix} file")
            return files
        if not self.path.is_file():
            raise DataError(
                f"the price file {self.path} does not exist: give its path with "
                "wf_dagster.init(prices=...), Market(prices=...) or WF_PRICES"
            )
        return [self.path]

    def _read_file(self, path: Path) -> pd.DataFrame:
        raise NotImplementedError  # abstract

    def _whole(self) -> pd.DataFrame:
        return _read_once(type(self), self.path, self._content())

    def _read(self) -> pd.DataFrame:
        frames = []
        for path in self._files():
            try:
                table = self._read_file(path)
            except (OSError, ValueError, pa.ArrowException) as error:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise DataError(f"{path} cannot be read as {self.suffix[1:]}: {reason}") from error
            frames.append(check_long_table(table, str(path)))
        if len(frames) == 1:
            return frames[0]
        frame = pd.concat(frames).sort_index()
        twice = frame.index.duplicated()
        if twice.any():
            day, name = frame.index[twice][0]
            raise DataError(
                f"the files in {self.path} hold {name} on {day:%Y-%m-%d} more than once: keep one "
                "row for each datetime and instrument"
            )
        return frame

    def _content(self) -> str:
        parts = []
        for path in self._files():
            stat = path.stat()
            state = (stat.st_ino, stat.st_ctime_ns, stat.st_mtime_ns, stat.st_size)
            parts.append(f"{path.name}:{_digest(path, state)}")
        return hashlib.blake2b("|".join(parts).encode(), digest_size=16).hexdigest()


class ParquetPrices(_FilePrices):
    """Prices in a Parquet file, or in all Parquet files of a folder.

    Args:
        path: File or folder; columns ``datetime``, ``instrument``, ``close`` and further
            fields, dates without time zone, sorted.
        as_of: Replay date; later rows are hidden.
        min_coverage: As of :class:`FrameSource`.
    """

    suffix = ".parquet"

    def _read_file(self, path: Path) -> pd.DataFrame:
        return read_parquet(path)


class CsvPrices(_FilePrices):
    """Prices in a CSV file, or in all CSV files of a folder (see :class:`ParquetPrices`)."""

    suffix = ".csv"

    def _read_file(self, path: Path) -> pd.DataFrame:
        # a converter, because "NA" and "NAN" are ticker symbols
        return pd.read_csv(path, converters={"instrument": str})


@lru_cache(maxsize=2)
def _read_once(kind: type[_FilePrices], path: Path, content: str) -> pd.DataFrame:
    """Read and checked once a process, until the files change."""
    source = kind(path)
    frame = source._read()
    if source._content() != content:
        raise DataError(f"{path} was written while it was read: try again when it is complete")
    return frame


@lru_cache(maxsize=1 << 16)
def _digest(path: Path, _state: tuple[int, ...]) -> str:
    with path.open("rb") as file:
        digest = hashlib.blake2b(digest_size=16)
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
