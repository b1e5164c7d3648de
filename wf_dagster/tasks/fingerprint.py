"""The fingerprint of a task: equal for equal content, however it is written down."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import TaskError
from wf_dagster.imports.module_files import find_named_file, is_module_file
from wf_dagster.imports.module_history import find_former_module
from wf_dagster.tasks.plain_estimators import with_plain_estimator
from wf_dagster.tasks.schema import BEFORE_TRAINING, TRUNC_DAYS

if TYPE_CHECKING:
    import pandas as pd

# not what a library takes for a date: that changes from one release to the next
_MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?"
)

_BESIDE = (TRUNC_DAYS, BEFORE_TRAINING)  # what a generator notes beside the definition of a task


def fingerprint(task: Any) -> str:
    """SHA-256 of the canonical JSON of a task definition, as 64 hexadecimal digits.

    Equal whatever the order of keys, tuple or list, date or ISO string, Python or numpy number.
    A ready object counts as its class and its state.

    Raises:
        TaskError: The definition holds something that has no canonical form, or holds itself.

    Example:
        >>> import datetime
        >>> a = fingerprint({"x": (1, 2), "from": datetime.date(2020, 1, 1)})
        >>> a == fingerprint({"from": "2020-01-01", "x": [1, 2]})
        True
    """
    return hashlib.sha256(canonical_json(task).encode()).hexdigest()


def canonical_json(value: Any) -> str:
    """The text that is fingerprinted: sorted keys, no spaces, dates as ISO strings.

    Raises:
        TaskError: As :func:`fingerprint`.
    """
    try:
        plain = _to_plain(with_plain_estimator(value), "task")
    except RecursionError:
        raise TaskError("the task holds itself, so it has no canonical form") from None
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if not text.isascii():
        _check_unicode(text)
    return text


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = text[error.start]
        raise TaskError(
            f"the task holds {half!r}, half of a character, in {text[: error.start][-40:]!r}: "
            "read the text with the encoding it was written in"
        ) from None


def _to_plain(value: Any, where: str) -> Any:
    import numpy as np  # slow to import, as the next
    import pandas as pd

    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (date, np.datetime64)):
        return None if pd.isna(value) else _format_moment(pd.Timestamp(value))
    if isinstance(value, (timedelta, np.timedelta64)):
        return None if pd.isna(value) else pd.Timedelta(value).isoformat()
    if isinstance(value, np.generic):
        return _to_plain(value.item(), where)
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    if isinstance(value, str):
        return _to_plain_text(value)
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return {
            _to_key(key, where): _to_plain(_without_folder(key, v), f"{where}.{key}")
            for key, v in value.items()
            if not (key in _BESIDE and {"model", "dataset"} <= value.keys())
        }
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return _to_plain(value[()], where)
    if isinstance(value, (list, tuple, np.ndarray, pd.Index)):
        return [_to_plain(v, f"{where}.{i}") for i, v in enumerate(value)]
    if isinstance(value, pd.Series):  # as the weights that a reweighter holds
        rows = {"index": value.index, "values": value.to_numpy()}
        return {"class": "pandas.Series", "state": _to_plain(rows, where)}
    if isinstance(value, (set, frozenset)):
        return sorted((_to_plain(v, where) for v in value), key=repr)
    if isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        if "<" not in value.__qualname__:  # a lambda, or defined inside a function
            # a worker has the script that was started under another name
            module = "__main__" if value.__module__ == "__mp_main__" else value.__module__
            if (file := find_named_file(module)) is not None:
                return f"{file.name}:{value.__qualname__}"
            return f"{find_former_module(module)}.{value.__qualname__}"
    elif (state := _get_state(value)) is not None:
        return {"class": _to_plain(type(value), where), "state": _to_plain(state, where)}
    raise TaskError(
        f"{where} is a {type(value).__name__}, which has no canonical form: describe it as "
        "{'class': ..., 'module_path': ..., 'kwargs': ...} instead"
    )


def _without_folder(key: Any, value: Any) -> Any:
    """The file of a module without its folder: the same task wherever its folder lies."""
    if key != "module_path" or not isinstance(value, str):
        return value
    file = find_named_file(value) or (PurePath(value) if is_module_file(value) else None)
    return value if file is None else file.name


def _get_state(value: Any) -> Any:
    """What pickling would keep of an object; ``None`` when it cannot be known."""
    import pandas as pd  # slow to import

    if isinstance(value, (ModuleType, pd.DataFrame)):
        return None
    getstate = getattr(type(value), "__getstate__", None)
    if getstate is not None and getstate is not getattr(object, "__getstate__", None):
        return getstate(value)
    return getattr(value, "__dict__", None)


def _to_key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    plain = _to_plain(key, where)
    return plain if isinstance(plain, str) else json.dumps(plain)


def _to_plain_text(value: str) -> str:
    import pandas as pd  # slow to import

    # '2020-01-01 00:00:00' and '2020-01-01' are the same day; other texts stay as they are
    if _MOMENT.fullmatch(value):
        try:
            return _format_moment(pd.Timestamp(value))
        except ValueError:
            return value
    return value


def _format_moment(stamp: pd.Timestamp) -> str:
    if stamp.tzinfo is None and stamp == stamp.normalize():
        return stamp.strftime("%Y-%m-%d")
    return stamp.isoformat()
