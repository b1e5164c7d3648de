"""Definitions and results as bytes that are safe to load.

What JSON can hold (with tuples and dates marked) is kept as JSON. Anything else is a pickle that
goes through the restricted unpickler. A recorder is kept as its id, a result that is too big for a
document as an object of a recorder.
"""

from __future__ import annotations

import io
import json
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from wf_dagster.errors import PoolError, PoolInputError, WfError
from wf_dagster.safe_pickle import loads

RESULT_LIMIT = 1_000_000  # bytes; a MongoDB document ends at 16 MB
RESULT_NAME = "result.pkl"
RESULT_KIND = "pool_result"
_PICKLE = b"\x80"  # every pickle since protocol 2 starts with it; no JSON does
_MARKS = {"$tuple", "$day", "$moment", "$stamp"}


@dataclass(frozen=True)
class KeptResult:
    """A result that is an object of a recorder."""

    recorder_id: str


def encode(value: Any, label: str) -> bytes:
    """The bytes of a definition or result.

    Raises:
        PoolInputError: It cannot be serialised.
    """
    try:
        return json.dumps(_mark_types(value), separators=(",", ":")).encode()
    except (_NotPlainError, RecursionError):
        pass
    sink = io.BytesIO()
    try:
        _Pickler(sink, protocol=4).dump(value)
    except Exception as error:  # a class's own __reduce__ may raise anything
        raise PoolInputError(
            f"{label} cannot be stored ({type(error).__name__}: {error}): name classes and "
            "functions that can be imported instead of lambdas, open files or connections"
        ) from error
    return sink.getvalue()


def decode(content: bytes, label: str, allow: Sequence[str] = ()) -> Any:
    """The definition or result of :func:`encode`.

    Args:
        content: The bytes.
        label: What they are, for messages.
        allow: Further modules whose classes a pickle may name.

    Raises:
        UnsafeObjectError: It names something that is not allowed.
        PoolError: It is damaged, or the recorder it refers to is gone.
    """
    try:
        if content[:1] != _PICKLE:
            return _restore_types(json.loads(content))
        value = loads(content, label, allow, references=lambda key: _load_reference(key, allow))
    except WfError:
        raise
    except Exception as error:  # a damaged pickle may raise anything
        raise PoolError(
            f"{label} cannot be read ({type(error).__name__}: {error}): it is damaged; have a "
            "result computed again with `reset_status({'_id': ...}, 'waiting')`, remove a "
            "definition and create it again"
        ) from error
    if isinstance(value, KeptResult):
        return _load_reference(("object", value.recorder_id), allow)
    return value


def encode_result(value: Any, label: str, pool: str) -> bytes:
    """As :func:`encode`; a big one is kept by a recorder of the experiment called as the pool."""
    content = encode(value, label)
    if len(content) <= RESULT_LIMIT:
        return content
    from wf_dagster.tracking import R  # slow to import

    tags = {"wf_kind": RESULT_KIND}
    with R.start(experiment_name=pool, recorder_name=label, tags=tags):
        recorder = R.get_recorder()
        recorder.save_objects(**{RESULT_NAME: value})
    return encode(KeptResult(recorder.id), label)


class _NotPlainError(Exception):
    pass


def _mark_types(value: Any) -> Any:
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is dict:
        if any(type(key) is not str or key in _MARKS for key in value):
            raise _NotPlainError
        return {key: _mark_types(inner) for key, inner in value.items()}
    if kind is list:
        return [_mark_types(inner) for inner in value]
    if kind is tuple:
        return {"$tuple": [_mark_types(inner) for inner in value]}
    if kind is pd.Timestamp and value.tzinfo is None:
        return {"$stamp": [value.isoformat(), value.unit]}
    if kind is datetime and value.tzinfo is None:
        return {"$moment": value.isoformat()}
    if kind is date:
        return {"$day": value.isoformat()}
    raise _NotPlainError


def _restore_types(value: Any) -> Any:
    if isinstance(value, list):
        return [_restore_types(inner) for inner in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (mark, inner), *_ = value.items()
        if mark == "$tuple":
            return tuple(_restore_types(part) for part in inner)
        if mark == "$day":
            return date.fromisoformat(inner)
        if mark == "$moment":
            return datetime.fromisoformat(inner)
        if mark == "$stamp":
            return pd.Timestamp(inner[0]).as_unit(inner[1])
    return {key: _restore_types(inner) for key, inner in value.items()}


class _Pickler(pickle.Pickler):
    def persistent_id(self, value: Any) -> Any:
        # where the room of recorders was never imported, nothing can be one
        tracking = sys.modules.get("wf_dagster.tracking")
        if tracking is not None and isinstance(value, tracking.Recorder):
            return ("recorder", value.id)
        return None


def _load_reference(key: Any, allow: Sequence[str]) -> Any:
    from wf_dagster.tracking import R  # slow to import

    kind, recorder_id = key
    recorder = R.get_recorder(recorder_id=recorder_id)
    return recorder if kind == "recorder" else recorder.load_object(RESULT_NAME, allow)
