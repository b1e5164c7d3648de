"""Collectors in files: pickles that are read without running what they name."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cloudpickle

from wf_dagster import safe_pickle
from wf_dagster.errors import CollectError
from wf_dagster.tracking import trusted_modules

T = TypeVar("T")
_log = logging.getLogger(__name__)
OWN_MODULES = (  # that a collector, or a strategy with one, may name in a file
    "copy.deepcopy",  # how a strategy's RollingGen copies templates
    "wf_dagster.calendars",
    "wf_dagster.collect",
    "wf_dagster.market",
    "wf_dagster.online",
    "wf_dagster.rolling",
    "wf_dagster.tasks",
    "wf_dagster.tracking.mlflow_experiment.MLflowExperiment",
)


def write_collector(collector: Any, path: str | Path, options: Mapping[str, Any]) -> None:
    """Write a collector to a file; options of Qlib's about what is left out are named in the log.

    Raises:
        CollectError: Something in it cannot be kept.
    """
    if options:
        _log.warning(
            "%s: %s: a collector holds no data, so all of it is kept",
            path,
            ", ".join(f"{name}={value!r} is ignored" for name, value in options.items()),
        )
    try:
        content = cloudpickle.dumps(collector)
    except Exception as error:  # a class's own __reduce__ may raise anything
        raise CollectError(
            f"{type(collector).__name__} cannot be kept in {path} ({error}): its functions must "
            "not refer to an open file, a lock or a connection"
        ) from error
    Path(path).write_bytes(content)


def read_collector(kind: type[T], path: str | Path, allow: Sequence[str]) -> T:
    """The collector that a file holds.

    Raises:
        CollectError: It is no such file, or holds another kind of collector.
        UnsafeObjectError: The file names something that may run code and is not allowed.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise CollectError(f"{path} cannot be read: {error.strerror}") from None
    loaded = safe_pickle.loads(content, str(path), (*OWN_MODULES, *allow, *trusted_modules()))
    if not isinstance(loaded, kind):
        raise CollectError(
            f"{path} holds a {type(loaded).__name__}, no {kind.__name__}: load it with its own "
            "class, or write it with to_pickle"
        )
    return loaded
