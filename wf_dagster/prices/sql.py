"""Prices in a table, or from a query, of any database that SQLAlchemy reaches."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Set
from typing import TYPE_CHECKING, Any

import pandas as pd

from wf_dagster.prices.addresses import complete_address, table_address
from wf_dagster.prices.columns import ColumnSource, Selection
from wf_dagster.prices.file_checks import KEYS, check_long_table
from wf_dagster.prices.seldom import ask_seldom

if TYPE_CHECKING:
    from wf_dagster.prices.sql_table import PriceTable


class SqlPrices(ColumnSource):
    """Prices in a database: a table, a view or a query of long format.

    Keys and closes are read once a process; further fields are asked for by name, of a selection
    only the rows of its instruments and dates.

    Args:
        address: SQLAlchemy's address with the table behind ``#``, such as
            ``"sqlite:////data/prices.db#prices"`` or
            ``"postgresql://wf:${PRICES_PASSWORD}@host/market#eod.prices"``; or with a query,
            ``"duckdb:////data/market.duckdb#select day as datetime, ..."``. ``${NAME}`` stands for
            a variable of the environment. The columns are those of a price file.
        table: The table, where the address names none.
        query: The query, where the address names none.
        as_of: Replay date; later rows are hidden.
        min_coverage: As of :class:`FrameSource`.

    Raises:
        DataError: The address holds a password, or names no table and no query, or two.

    Example:
        >>> SqlPrices("sqlite:////data/prices.db", table="prices")
        SqlPrices('sqlite:////data/prices.db#prices')
    """

    def __init__(
        self,
        address: str,
        table: str | None = None,
        query: str | None = None,
        as_of: Any = None,
        min_coverage: float | None = None,
    ) -> None:
        super().__init__(as_of, min_coverage)
        if table or query:
            address = table_address(address, table, query)
        self.address = complete_address(address)

    def __repr__(self) -> str:
        return f"SqlPrices({self.address!r})"

    def spec(self) -> dict[str, Any]:
        """Plain values from which :func:`price_source` makes the source again."""
        return {
            "path": self.address,
            "as_of": None if self.as_of is None else str(self.as_of.date()),
            **self._own_coverage(),
        }

    def _place(self) -> Hashable:
        return self.address

    def _content(self) -> str:
        return ask_seldom(self.address, self._ask_content)

    def _content_now(self) -> str:
        return ask_seldom(self.address, self._ask_content, anew=True)

    def _ask_content(self) -> str:
        digest = hashlib.blake2b(digest_size=16)
        for row in self._table().read_totals():
            digest.update(repr(tuple(map(str, row))).encode())
        return digest.hexdigest()

    def _read_fields(self) -> list[str]:
        return [name for name in self._table().columns if name not in KEYS]

    def _read(self, selection: Selection) -> pd.DataFrame:
        table = self._table()
        rows = table.read_rows(selection)
        if rows.empty and not selection.is_whole:
            return check_long_table(table.read_rows(Selection(("close",))), table.place).iloc[:0]
        return check_long_table(rows, table.place)

    def _finds_rows(self, fields: Set[str]) -> bool:
        return not fields & self._table().texts()

    def _table(self) -> PriceTable:
        from wf_dagster.prices.sql_table import PriceTable  # SQLAlchemy is slow to import

        return PriceTable(self.address)
