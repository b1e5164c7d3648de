"""A prepared query as an SQL condition."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from wf_dagster.errors import PoolInputError
from wf_dagster.pool.task_query import GROUPS, OPERATORS

Condition = sa.ColumnElement[bool]
_COMPARED = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class SqlQueries:
    """Makes conditions on a table for one kind of database.

    Args:
        table: The table of tasks.
        postgres: Whether the database is PostgreSQL (else SQLite).
    """

    def __init__(self, table: sa.Table, postgres: bool) -> None:
        self._table = table
        self._postgres = postgres

    def condition(self, query: Mapping[str, Any]) -> Condition:
        """The condition of a query.

        Raises:
            PoolInputError: It uses an operator or a field that SQL stores do not know.
        """
        return sa.and_(
            sa.true(), *(self._part_condition(key, value) for key, value in query.items())
        )

    def _part_condition(self, key: str, value: Any) -> Condition:
        if key in GROUPS:
            parts = [self.condition(part) for part in value]
            return sa.and_(sa.true(), *parts) if key == "$and" else sa.or_(sa.false(), *parts)
        if key.startswith("$"):
            raise _unsupported(key)
        operators = value if _has_operators(value) else {"$eq": value}
        for operator in operators:
            if operator not in OPERATORS:
                raise _unsupported(str(operator))
        if key == "filter" or key.startswith("filter."):
            path = key.split(".")[1:]
            parts = [self._filter_condition(path, name, inner) for name, inner in operators.items()]
        elif key in self._table.c and key != "pool":
            column = self._table.c[key]
            parts = [
                self._column_condition(column, name, inner) for name, inner in operators.items()
            ]
        else:
            names = ", ".join(c.name for c in self._table.c if c.name not in ("pool", "filter"))
            raise PoolInputError(f"query on {key!r}: a task has the fields {names} and filter.…")
        return sa.and_(*parts)

    def _column_condition(self, column: sa.Column[Any], operator: str, value: Any) -> Condition:
        if operator == "$exists":
            return column.is_not(None) if value else column.is_(None)
        if operator == "$eq":
            return column.is_(None) if value is None else column == value
        if operator == "$ne":
            if value is None:
                return column.is_not(None)
            return sa.or_(column != value, column.is_(None))
        if operator in ("$in", "$nin"):
            within = self._is_among(column, [item for item in value if item is not None])
            if None in value:
                within = sa.or_(within, column.is_(None))
            return within if operator == "$in" else sa.not_(sa.func.coalesce(within, sa.false()))
        return column.op(_COMPARED[operator], is_comparison=True)(value)

    def _is_among(self, column: sa.Column[Any], values: list[Any]) -> Condition:
        """As one parameter: databases limit how many there may be."""
        if self._postgres:
            array = sa.bindparam(None, values, type_=ARRAY(column.type))
            return column == sa.any_(array)
        rows = sa.func.json_each(json.dumps(values)).table_valued("value")
        return column.in_(sa.select(rows.c.value))

    def _filter_condition(self, path: list[str], operator: str, value: Any) -> Condition:
        column = self._table.c["filter"]
        if not self._postgres:
            return sa.func.wf_meets(
                column, json.dumps(path), operator, json.dumps(value), type_=sa.Boolean()
            ) == sa.literal(1)
        if operator == "$exists":
            return self._exists(path) if value else sa.not_(self._exists(path))
        if operator in ("$eq", "$ne"):
            equal = self._equals(path, value)
            return equal if operator == "$eq" else sa.not_(equal)
        if operator in ("$in", "$nin"):
            within = sa.or_(sa.false(), *(self._equals(path, item) for item in value))
            return within if operator == "$in" else sa.not_(within)
        return self._meets_test(path, f"@ {_COMPARED[operator]} $v", value)

    def _equals(self, path: list[str], value: Any) -> Condition:
        if value is None:
            return sa.or_(self._meets_test(path, "@ == null"), sa.not_(self._exists(path)))
        if isinstance(value, (list, dict)):
            column = self._table.c["filter"]
            inner = column.op("#>")(sa.cast(path, ARRAY(sa.Text())))
            return inner == sa.cast(sa.literal(value, JSONB), JSONB)
        return self._meets_test(path, "@ == $v", value)

    def _exists(self, path: list[str]) -> Condition:
        return sa.or_(*(self._path_exists(text, {}) for text in _write_paths(path)))

    def _meets_test(self, path: list[str], test: str, value: Any = None) -> Condition:
        return sa.or_(
            *(self._path_exists(f"{text} ? ({test})", {"v": value}) for text in _write_paths(path))
        )

    def _path_exists(self, text: str, variables: dict[str, Any]) -> Condition:
        # a lax path goes through arrays as MongoDB does
        function: Callable[..., Any] = sa.func.jsonb_path_exists
        condition: Condition = function(
            self._table.c["filter"],
            sa.text("CAST(:path AS jsonpath)").bindparams(sa.bindparam("path", text, unique=True)),
            sa.cast(sa.literal(variables, JSONB), JSONB),
            type_=sa.Boolean(),
        )
        return condition


def _write_paths(path: list[str]) -> list[str]:
    """The path in SQL's language; a number may be a key or a place in an array."""
    choices = [
        [f".{json.dumps(p)}", f"[{p}]"] if p.isdigit() else [f".{json.dumps(p)}"] for p in path
    ]
    return ["$" + "".join(chosen) for chosen in product(*choices)]


def _has_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and any(str(name).startswith("$") for name in value)


def _unsupported(operator: str) -> PoolInputError:
    return PoolInputError(
        f"query operator {operator!r} is not supported by this task store: use "
        f"{', '.join((*OPERATORS, *GROUPS))}, or a pool in MongoDB"
    )
