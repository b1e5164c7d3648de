"""Price files read with Arrow: the columns and rows that are asked for, each file checked."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from typing import Any, cast

import pandas as pd
import pyarrow as pa

from wf_dagster.errors import DataError
from wf_dagster.prices.addresses import reason_of
from wf_dagster.prices.columns import Selection
from wf_dagster.prices.file_checks import KEYS, check_long_table
from wf_dagster.prices.file_listing import PriceFiles, stem_of
from wf_dagster.prices.file_texts import parse_text, partition_of, spell_days
from wf_dagster.prices.text_columns import join_frames

_log = logging.getLogger(__name__)
_NOT_A_FIELD = re.compile(r"__index_level_\d+__")


class PriceTables:
    """The tables of price files.

    Args:
        files: Where they are.
        kind: ``"parquet"``, ``"csv"`` or ``"feather"``.

    Raises:
        DataError: A file cannot be read, or some files have a column ``instrument`` and others
            have none.
    """

    def __init__(self, files: PriceFiles, kind: str) -> None:
        self._files = files
        self._kind = kind
        self._schemas = [self._read_schema(number) for number in range(len(files.paths))]
        self._partitions = [partition_of(name) for name in files.names]
        self._named_by_file = False
        without = [n for n in range(len(files.paths)) if not self._has(n, "instrument")]
        self._named_by_file = files.is_folder and len(without) == len(files.paths)
        if files.is_folder and without and not self._named_by_file:
            other = next(n for n in range(len(files.paths)) if n not in set(without))
            raise DataError(
                f"{files.place(without[0])} has no column 'instrument', and "
                f"{files.place(other)} has: let all files of {files.root} have it, or none, "
                "which are then named by their instruments"
            )

    def fields(self) -> list[str]:
        """All columns but the keys, in the order in which files bring them."""
        names: dict[str, None] = {}
        for schema, partition in zip(self._schemas, self._partitions, strict=True):
            names.update(dict.fromkeys([*schema.names, *partition]))
        return [name for name in names if name not in KEYS and not _NOT_A_FIELD.fullmatch(name)]

    def texts(self) -> set[str]:
        """The columns that may hold text."""
        names = {name for partition in self._partitions for name in partition}
        for schema in self._schemas:
            names.update(item.name for item in schema if not _is_number(item.type))
        return names

    def read(self, selection: Selection) -> pd.DataFrame:
        """Checked prices: rows ``(datetime, instrument)``, sorted and unique.

        Raises:
            DataError: A file cannot be read, or its rows are no prices.
        """
        frames = list(self._read_checked(selection))
        if not frames:  # no file has such rows
            return self.read(Selection(selection.fields)).iloc[:0]
        if len(frames) == 1:
            return frames[0]
        frame = join_frames(frames, self._files.root)
        if not frame.index.is_monotonic_increasing:
            frame = frame.sort_index()
        twice = frame.index.duplicated()
        if twice.any():
            day, name = frame.index[twice][0]
            holders = [n for n, part in enumerate(frames) if (day, name) in part.index]
            raise DataError(
                f"the files {' and '.join(self._files.names[n] for n in holders[:2])} in "
                f"{self._files.root} hold {name} on {day:%Y-%m-%d} more than once: keep one row "
                "for each datetime and instrument"
            )
        return frame

    def _read_checked(self, selection: Selection) -> Iterator[pd.DataFrame]:
        if self._named_by_file:
            _say_named_by_file(self._files)
        for number in range(len(self._files.paths)):
            place = self._files.place(number)
            if not all(self._has(number, column) for column in (*KEYS, "close")):
                names = [*self._schemas[number].names, *self._partitions[number]]
                check_long_table(pd.DataFrame(columns=names), place)  # says which is missing
            table = self._read_table(number, selection)
            if table.empty and not selection.is_whole:
                continue
            try:
                yield check_long_table(table, place)
            except DataError:
                if not selection.is_whole:  # rows are counted in the whole file
                    check_long_table(self._read_table(number, Selection(selection.fields)), place)
                raise

    def _read_table(self, number: int, selection: Selection) -> pd.DataFrame:
        schema = self._schemas[number]
        columns = [name for name in (*KEYS, *selection.fields) if name in schema.names]
        try:
            rows = self._fragment(number, schema).to_table(
                schema=schema,
                columns=columns,
                filter=self._filter(schema, selection),
                use_threads=False,
            )
            table = rows.to_pandas(
                ignore_metadata=True,
                date_as_object=False,
                use_threads=False,
                split_blocks=True,
                self_destruct=True,  # a copy less of what is large
            )
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(number, error) from None
        if self._kind == "csv":
            for name in set(table.columns) - set(KEYS):
                table[name] = parse_text(table[name])
        for name, value in self._partitions[number].items():
            if name in KEYS or name in selection.fields:
                table[name] = value if name in KEYS else _parse_folder(value)
        if self._named_by_file:
            table["instrument"] = stem_of(self._files.names[number])
        if "datetime" in table:
            table["datetime"] = spell_days(table["datetime"], self._files.place(number))
        return cast(pd.DataFrame, table)

    def _filter(self, schema: Any, selection: Selection) -> Any:
        """What Arrow can leave out by itself; the rest is left out later."""
        import pyarrow.dataset as ds  # slow to import

        limits = []
        if "datetime" in schema.names and self._kind != "csv":
            kind = schema.field("datetime").type
            if pa.types.is_date(kind) or (pa.types.is_timestamp(kind) and kind.tz is None):
                day = ds.field("datetime")
                if selection.start is not None:
                    limits.append(day >= pa.scalar(selection.start.to_pydatetime()).cast(kind))
                if selection.end is not None:
                    after = selection.end + pd.Timedelta(days=1)
                    limits.append(day < pa.scalar(after.to_pydatetime()).cast(kind))
        if (
            selection.instruments is not None
            and "instrument" in schema.names
            and _is_text(schema.field("instrument").type)
        ):
            names = pa.array(list(map(str, selection.instruments)), pa.string())
            limits.append(ds.field("instrument").isin(names))
        condition = None
        for limit in limits:
            condition = limit if condition is None else condition & limit
        return condition

    def _read_schema(self, number: int) -> Any:
        try:
            schema = self._fragment(number).physical_schema
            names = schema.names
        except (OSError, ValueError, pa.ArrowException) as error:
            raise self._unreadable(number, error) from None
        if self._kind == "csv":  # as it is written: "00700" is a symbol and no number
            return pa.schema([(name, pa.string()) for name in names])
        return schema

    def _fragment(self, number: int, schema: Any = None) -> Any:
        import pyarrow.dataset as ds  # slow to import, as the next
        from pyarrow import csv, fs

        if self._kind == "csv":
            options = csv.ConvertOptions(
                strings_can_be_null=False,
                column_types={} if schema is None else {n: pa.string() for n in schema.names},
            )
            form: Any = ds.CsvFileFormat(convert_options=options)
        else:
            form = {"parquet": ds.ParquetFileFormat, "feather": ds.IpcFileFormat}[self._kind]()
        filesystem = self._files.filesystem
        where = (
            fs.LocalFileSystem()
            if filesystem is None
            else fs.PyFileSystem(fs.FSSpecHandler(filesystem))
        )
        path = self._files.paths[number]
        if path.lower().endswith(".zst"):  # Arrow unpacks by itself what is gzipped
            with where.open_input_stream(path, compression="zstd") as stream:
                return form.make_fragment(pa.py_buffer(stream.read()))
        return form.make_fragment(path, filesystem=where)

    def _unreadable(self, number: int, error: Exception) -> DataError:
        reason = reason_of(error, list(self._files.secrets))
        return DataError(f"{self._files.place(number)} cannot be read as {self._kind}: {reason}")

    def _has(self, number: int, column: str) -> bool:
        return (
            column in self._schemas[number].names
            or column in self._partitions[number]
            or (column == "instrument" and self._named_by_file)
        )


def _parse_folder(value: str | None) -> Any:
    """The value that the name of a folder holds; ``month=01`` is a number."""
    return parse_text(pd.Series([value]), keeps_codes=False).iloc[0]


def _is_text(kind: Any) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _say_named_by_file(files: PriceFiles) -> None:
    _log.info(
        "the files in %s have no column 'instrument': each is the instrument of its name, such as "
        "%s",
        files.root,
        stem_of(files.names[0]),
    )
