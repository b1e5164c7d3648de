"""A table that is written some columns at a time, so that it never is in memory as a whole."""

from __future__ import annotations

import io
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.tables import cache

Values = np.ndarray[Any, np.dtype[Any]]
_HEAD = 128  # bytes of a NumPy file before the values, whatever their shape


class TableWriter:
    """The file of a table to be; it goes with the table into the cache, or with an exception.

    Args:
        rows: Of the table.
        dtype: Of the values.
        folder: That of the cache that is to take the table.
    """

    def __init__(self, rows: int, dtype: Any, folder: Path) -> None:
        self.dtype = np.dtype(dtype)
        self._rows = rows
        self._columns: list[tuple[str, str]] = []
        self._folder = Path(tempfile.mkdtemp(dir=folder, prefix=cache.PART))
        self._file = (self._folder / cache.VALUES).open("wb")
        self._file.write(bytes(_HEAD))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.discard()

    def add(self, values: Values, columns: list[tuple[str, str]]) -> None:
        """Write the next columns.

        Args:
            values: Shape ``(rows, columns)``.
            columns: Their names.
        """
        assert values.shape == (self._rows, len(columns))
        np.ascontiguousarray(values.T, self.dtype).tofile(self._file)
        self._columns += columns

    def table(self, index: pd.MultiIndex) -> cache.Table:
        """The table, when all columns are written."""
        head = io.BytesIO()
        shape = (self._rows, len(self._columns))
        described = {"descr": self.dtype.str, "fortran_order": True, "shape": shape}
        np.lib.format.write_array_header_1_0(head, described)
        assert len(head.getvalue()) == _HEAD
        self._file.seek(0)
        self._file.write(head.getvalue())
        self._file.close()
        values = np.load(self._folder / cache.VALUES, mmap_mode="r")
        return cache.Table(index, self._columns, values, folder=self._folder)

    def discard(self) -> None:
        """Remove the file, if the cache has not taken it."""
        with suppress(OSError):  # the disk may be full
            self._file.close()
        shutil.rmtree(self._folder, ignore_errors=True)
