"""The fingerprint of a task: equal for equal content, however it is written down."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.errors import TaskError


def fingerprint(task: Any) -> str:
    """SHA-256 of the canonical JSON of a task definition, as 64 hexadecimal digits.

    Equal whatever the order of keys, tuple or list, date or ISO string, Python or numpy number.

    Raises:
        TaskError: The definition holds something that has no canonical form.

    Example:
        >>> import datetime
        >>> a = fingerprint({"x": (1, 2), "from": datetime.date(2020, 1, 1)})
        >>> a == fingerprint({"from": "2020-01-01", "x": [1, 2]})
        True
    """
    return hashlib.sha256(canonical_json(task).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """The text that is fingerprinted: sorted keys, no spaces, dates as ISO strings."""
    return json.dumps(
        _canonical(value, "task"), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )


def _canonical(value: Any, where: str) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, np.generic) and not isinstance(value, np.datetime64):
        return _canonical(value.item(), where)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, str):
        return _text(value)
    if value is pd.NaT:
        return None
    if isinstance(value, (date, np.datetime64)):
        return _moment(pd.Timestamp(value))
    if isinstance(value, pd.Timedelta):
        return value.isoformat()
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {_key(key, where): _canonical(v, f"{where}.{key}") for key, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray, pd.Index)):
        return [_canonical(v, f"{where}.{i}") for i, v in enumerate(value)]
    if isinstance(value, slice):
        return {"slice": [_canonical(v, where) for v in (value.start, value.stop, value.step)]}
    if isinstance(value, (set, frozenset)):
        return sorted((_canonical(v, where) for v in value), key=repr)
    name = getattr(value, "__qualname__", None)
    if callable(value) and name and "<" not in name:
        return f"{value.__module__}.{name}"
    raise TaskError(
        f"{where} is a {type(value).__name__}, which has no canonical form: describe it as "
        "{'class': ..., 'module_path': ..., 'kwargs': ...} instead"
    )


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    made = _canonical(key, where)
    return made if isinstance(made, str) else json.dumps(made)


def _number(value: float) -> Any:
    if math.isfinite(value):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    return {"float": repr(value)}


def _text(value: str) -> str:
    # '2020-01-01 00:00:00' and '2020-01-01' are the same day; other texts stay as they are
    if len(value) >= 10 and value[:4].isdigit() and value[4] == "-":
        try:
            return _moment(pd.Timestamp(datetime.fromisoformat(value)))
        except ValueError:
            return value
    return value


def _moment(stamp: pd.Timestamp) -> str:
    if stamp.tzinfo is None and stamp == stamp.normalize():
        return stamp.strftime("%Y-%m-%d")
    return stamp.isoformat()
