"""What a computation of Qlib's is made of, as plain values: equal values, equal results."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import qlib
from qlib.config import C

from wf_dagster.tables.code_digest import code_digest
from wf_dagster.tasks.config import find_class

_FORMAT = 2  # of what is kept: another one where the same definition comes to give other tables
_PROVIDERS = (
    "calendar_provider", "instrument_provider", "feature_provider", "expression_provider",
    "dataset_provider", "provider", "min_data_shift",
)  # fmt: skip


class NotPlainError(Exception):
    """An object that plain values do not describe: what depends on it is not cached."""


def describe_environment() -> Any:
    """What all computations depend on: versions, and what ``qlib.init`` put in place."""
    return [
        _FORMAT,
        [qlib.__version__, np.__version__, pd.__version__],
        to_plain([C.get(name) for name in _PROVIDERS]),
        to_plain(list(C["custom_ops"])),
    ]


def describe_loader(loader: Any, handler: type) -> Any:
    """What a plain loader loads for a kind of handler."""
    fields = [  # in their order, which is that of the columns
        [group, [str(expression) for expression in expressions], [str(name) for name in names]]
        for group, (expressions, names) in loader.fields.items()
    ]
    options = to_plain([loader.freq, loader.filter_pipe, loader.inst_processors])
    return [describe_code(type(loader)), describe_code(handler), fields, options]


def describe_code(kind: Any) -> str:
    """A class or function by its name, and by its code where that is not Qlib's own."""
    is_qlib = kind.__module__.partition(".")[0] == "qlib"
    return f"{kind.__module__}.{kind.__qualname__} " + ("" if is_qlib else code_digest(kind))


def to_plain(value: Any) -> Any:
    """A configuration, with the code of what it names beside the name.

    Raises:
        NotPlainError: It holds an object that is more than its configuration.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        values = {str(key): to_plain(inner) for key, inner in value.items()}
        return [values, _code_of_config(value)] if "class" in value else values
    if isinstance(value, (list, tuple, set, pd.Index, np.ndarray)):
        return [to_plain(inner) for inner in value]
    if isinstance(value, (pd.Timestamp, np.generic)):
        return str(value)
    if isinstance(value, type) or inspect.isfunction(value):
        return describe_code(value)
    if hasattr(value, "to_config"):  # a filter of Qlib's
        return to_plain([type(value), value.to_config()])
    raise NotPlainError(f"{value!r}")


def describe_object(value: Any) -> Any:
    """An object that is what its attributes are, such as a processor.

    Raises:
        NotPlainError: An attribute is more than plain values.
    """
    return [describe_code(type(value)), to_plain(vars(value))]


def _code_of_config(config: Mapping[str, Any]) -> str:
    name, module = config["class"], config.get("module_path")
    if isinstance(name, str) and not module and "." not in name:
        return ""  # Qlib looks for it in a module of its own
    return describe_code(find_class(config))
