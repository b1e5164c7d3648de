"""Queries as Qlib's users write them, brought into one form for every store.

A query is a MongoDB-style dict. The caller's dict is never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wf_dagster.errors import PoolInputError, TaskError
from wf_dagster.pool.identity import identify_definition, to_plain_json
from wf_dagster.pool.states import check_status

GROUPS = ("$and", "$or")
OPERATORS = ("$eq", "$ne", "$in", "$nin", "$gt", "$gte", "$lt", "$lte", "$exists")
_LISTS = ("$in", "$nin")
_KINDS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("priority", "attempts", "lease_until"), ((int, float), "number")),
    **dict.fromkeys(
        ("fingerprint", "error", "worker", "lease", "turn", "fetched_from"), (str, "text")
    ),
}


def prepare_query(query: Mapping[str, Any] | None) -> dict[str, Any]:
    """A copy of the query in the stores' form.

    Ids become texts, values compared with ``filter`` become what ``filter`` holds (dates as ISO
    strings), a whole definition becomes its fingerprint.

    Raises:
        PoolInputError: It is no query, names an unknown status, or looks into ``def`` or ``res``.
    """
    if query is None:
        return {}
    if not isinstance(query, Mapping):
        raise PoolInputError(
            f"query {query!r} is no dict: write {{'status': 'waiting'}}, "
            "{'_id': {'$in': [...]}} or {'filter.model.class': '...'}"
        )
    prepared: dict[str, Any] = {}
    for key, value in query.items():
        if key in (*GROUPS, "$nor"):
            prepared[key] = [prepare_query(part) for part in _check_list(key, value)]
        elif key == "filter" and isinstance(value, Mapping) and not _has_operators(value):
            prepared["fingerprint"] = {"$eq": identify_definition(value)[0]}
        else:
            prepared[str(key)] = _prepare_condition(str(key), value)
    return prepared


def _prepare_condition(field: str, value: Any) -> Any:
    root = field.split(".")[0]
    if root in ("def", "res") and not (_has_operators(value) and set(value) == {"$exists"}):
        raise PoolInputError(
            f"query on {field!r}: definitions and results are kept as bytes; compare "
            f"'filter.…' instead, or ask {{{root!r}: {{'$exists': True}}}}"
        )
    if not _has_operators(value):
        prepared = _prepare_value(field, value)
        # written in full, so that an index is used where arrays are thought of otherwise
        return prepared if root in ("_id", "filter") else {"$eq": prepared}
    return {
        name: [_prepare_value(field, item) for item in _check_list(name, inner)]
        if name in _LISTS
        else inner
        if name == "$exists" or name not in OPERATORS
        else _prepare_value(field, inner)
        for name, inner in value.items()
    }


def _prepare_value(field: str, value: Any) -> Any:
    root = field.split(".")[0]
    if value is None:
        return None
    if root == "_id":
        return str(value)
    if root == "status":
        return check_status(value)
    if root == "filter":
        return _prepare_plain(field, value)
    kind, noun = _KINDS.get(root, (object, ""))
    if not isinstance(value, kind) or isinstance(value, bool):
        raise PoolInputError(f"query on {field!r}: {value!r} is no {noun}")
    return value


def _prepare_plain(field: str, value: Any) -> Any:
    try:
        return to_plain_json(value)
    except TaskError:
        raise PoolInputError(
            f"query on {field!r}: {value!r} has no JSON form; compare texts, numbers or dates"
        ) from None


def _has_operators(value: Any) -> bool:
    return isinstance(value, Mapping) and any(str(key).startswith("$") for key in value)


def _check_list(name: str, value: Any) -> list[Any]:
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise PoolInputError(f"query operator {name} takes a list, not {value!r}")
    return list(value)
