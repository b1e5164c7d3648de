"""A table or a query of prices, asked through SQLAlchemy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from numbers import Number
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from wf_dagster.errors import DataError
from wf_dagster.extras import pip_command
from wf_dagster.prices.addresses import database_file, fill_variables, reason_of, scheme_of
from wf_dagster.prices.columns import Selection
from wf_dagster.prices.file_checks import KEYS, check_long_table

_DAY: Any = sa.column("datetime")
_INSTRUMENT: Any = sa.column("instrument")
_NAMES_IN_QUERY = 500
_CONNECT_SECONDS = 10
# a colon in a query is no parameter of SQLAlchemy's
_COLON = re.compile(r"(?<![:\w\\]):(?=\w)")
_EXTRAS = {"duckdb": "duckdb", "postgresql": "postgres"}


class PriceTable:
    """The table, view or query behind an address.

    Args:
        address: As for ``SqlPrices``.

    Raises:
        DataError: It names none, or the database cannot be reached or lacks it.

    Attributes:
        place: What it is called in messages.
        columns: Its columns, in order.
    """

    def __init__(self, address: str) -> None:
        self.place = address
        self._address, _, name = address.partition("#")
        self._engine = self._open()
        name = name.strip().rstrip(";")
        if not name:
            raise DataError(
                f"prices={address!r} names no table: write it behind #, as in "
                f"{self._address}#prices{self._tables_there()}"
            )
        self._source: Any = _as_query(name) if re.search(r"\s", name) else _as_table(name)
        with self._connected() as connection:
            result = connection.execute(sa.select(sa.text("*")).select_from(self._source).limit(1))
            self.columns = list(result.keys())
            row = result.first()
        self._first = dict(zip(self.columns, row or (None,) * len(self.columns), strict=True))
        if not {*KEYS, "close"} <= set(self.columns):
            check_long_table(pd.DataFrame(columns=self.columns), address)  # says which is missing

    def texts(self) -> set[str]:
        """The columns that may hold text, as the first row says."""
        return {name for name, value in self._first.items() if not isinstance(value, Number)}

    def read_rows(self, selection: Selection) -> pd.DataFrame:
        """The rows and columns of a selection, sorted by day and instrument; not checked."""
        columns: list[Any] = [*map(sa.column, (*KEYS, *selection.fields))]
        query = sa.select(*columns).select_from(self._source).order_by(_DAY, _INSTRUMENT)
        if selection.start is not None:
            query = query.where(self._spell_day(selection.start) <= _DAY)
        if selection.end is not None:  # a day that is stored with a time is that day too
            query = query.where(self._spell_day(selection.end + pd.Timedelta(days=1)) > _DAY)
        names = self._spell_names(selection.instruments)
        if names is not None:
            query = query.where(_INSTRUMENT.in_(names))
        with self._connected() as connection:
            table = pd.read_sql(query, connection)
        if pd.api.types.is_integer_dtype(table["datetime"]):
            table["datetime"] = table["datetime"].astype(str)
        return table

    def read_totals(self) -> Iterator[tuple[Any, ...]]:
        """What changes when any price changes.

        PostgreSQL and DuckDB hash each row and add the hashes up. Others count each column, and
        add its numbers up, for each instrument and for each day: a price that moves to another
        row changes a sum too. Numbers that are restated to the same sums are not noticed.
        """
        dialect = self._engine.dialect.name
        rows: Any = sa.literal_column("prices_")
        hashed: Any = None
        if dialect == "postgresql":
            hashed = sa.func.hashtextextended(sa.cast(rows, sa.Text), 0)
        elif dialect == "duckdb":
            hashed = sa.func.hash(rows)
        with self._connected() as connection:
            yield tuple(self.columns)
            if hashed is not None:
                query = sa.select(sa.func.count(), sa.func.min(_DAY), sa.func.max(_DAY))
                query = query.add_columns(sa.func.sum(hashed)).select_from(self._source)
                yield tuple(connection.execute(query).one())
                return
            totals: list[Any] = [sa.func.count()]
            for name in self.columns:
                if name not in KEYS:
                    column: Any = sa.column(name)
                    totals += [sa.func.count(column), sa.func.min(column), sa.func.max(column)]
                    if isinstance(self._first[name], (int, float)) or name == "close":
                        totals.append(sa.func.sum(column))
            for key in (_INSTRUMENT, _DAY):
                query = sa.select(key, *totals).select_from(self._source)
                yield from map(tuple, connection.execute(query.group_by(key).order_by(key)))

    def _spell_day(self, day: pd.Timestamp) -> Any:
        """A day as the column holds it."""
        first = self._first["datetime"]
        if isinstance(first, str):
            return f"{day:%Y-%m-%d}" if "-" in first else f"{day:%Y%m%d}"
        return int(f"{day:%Y%m%d}") if isinstance(first, int) else day.date()

    def _spell_names(self, instruments: Sequence[str] | None) -> list[Any] | None:
        """Instruments as the column holds them; ``None`` if all rows are to be read."""
        if instruments is None or len(instruments) > _NAMES_IN_QUERY:
            return None
        if isinstance(self._first["instrument"], int):
            return [int(name) for name in instruments if str(name).isdecimal()]
        return list(map(str, instruments))

    def _open(self) -> sa.Engine:
        file = database_file(self._address)
        if file is not None and not file.is_file():
            raise DataError(f"prices={self.place!r}: the database {file} does not exist")
        full, self._secrets = fill_variables(self._address)
        try:
            return _engine(full)
        except (sa.exc.SQLAlchemyError, ImportError, ValueError) as error:
            extra = _EXTRAS.get(scheme_of(self._address))
            remedy = pip_command(extra) if extra else "install its SQLAlchemy dialect with pip"
            # of an address that is none, SQLAlchemy shows all
            what = "is no address of a database"
            if isinstance(error, (sa.exc.NoSuchModuleError, ImportError)):
                what = f"cannot be opened: {reason_of(error, self._secrets)} ({remedy})"
            raise DataError(f"prices={self.place!r} {what}") from None

    @contextmanager
    def _connected(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            is_reached = database_file(self._address) is not None or not isinstance(
                error, sa.exc.OperationalError
            )
            there = self._tables_there() if is_reached else ""
            raise DataError(
                f"prices={self.place!r} cannot be read: {reason_of(cause, self._secrets)}{there}"
            ) from None

    def _tables_there(self) -> str:
        with suppress(Exception):  # a message that is being made already
            inspector = sa.inspect(self._engine)
            names = inspector.get_table_names() + inspector.get_view_names()
            return f"; it has {', '.join(names[:20])}" if names else "; it has no tables"
        return ""


def _as_table(name: str) -> Any:
    schema, _, table = name.rpartition(".")
    return sa.table(table, schema=schema or None).alias("prices_")


def _as_query(text: str) -> Any:
    query = sa.text(_COLON.sub(r"\\:", text))
    return query.columns().subquery("prices_")


@lru_cache(maxsize=32)
def _engine(address: str) -> sa.Engine:
    url = sa.make_url(address)
    options: dict[str, Any] = {}
    name = url.get_backend_name()
    if name in ("postgresql", "mysql", "mariadb") and "connect_timeout" not in url.query:
        options["connect_timeout"] = _CONNECT_SECONDS
    if name == "duckdb":
        options["read_only"] = True  # others may read it at the same time
    # worker processes must not share connections
    return sa.create_engine(url, connect_args=options, poolclass=NullPool)
