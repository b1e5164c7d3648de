"""The label functions that a task names, and how far they look ahead."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.tasks.config import class_path, find_class, locate
from wf_dagster.tasks.label_expressions import expression_horizon, read_label_expressions
from wf_dagster.tasks.look_ahead import LookAhead
from wf_dagster.tasks.predicted_labels import find_label, predicted_label
from wf_dagster.tasks.signatures import Signature, read_signature

LABEL = "dataset.kwargs.label"
_BY_PARAMETERS = LookAhead("horizon", "lag")


@dataclass(frozen=True)
class LabelFunction:
    """A function of prices that makes labels.

    Attributes:
        config: As the task holds it: ``{"func": ..., "kwargs": ...}``.
        parameters: Its keyword arguments: what the task gives, else its defaults.
        look_ahead: What its decorator says; default its parameters ``horizon`` and ``lag``.
    """

    config: Mapping[str, Any]
    parameters: Mapping[str, Any]
    look_ahead: LookAhead = _BY_PARAMETERS

    @property
    def horizon(self) -> int | None:
        """Sessions that the label spans; ``None`` when it does not say."""
        horizon = self._read(self.look_ahead.horizon)
        return horizon if horizon else None

    @property
    def lag(self) -> int | None:
        """Sessions from the forecast to the trade; ``None`` when it does not say."""
        return self._read(self.look_ahead.lag)

    @property
    def reach(self) -> int | None:
        """Sessions after which the label is known; ``None`` when it does not say."""
        # a function without `lag` may still trade later than it forecasts: it does not say
        return None if self.lag is None or self.horizon is None else self.lag + self.horizon

    def _read(self, stated: int | str) -> int | None:
        value = self.parameters.get(stated) if isinstance(stated, str) else stated
        return value if type(value) is int and value >= 0 else None

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The keyword arguments that the task gives."""
        return self.config.get("kwargs") or {}

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        function = self.config["func"]
        return function if isinstance(function, str) else getattr(function, "__name__", "it")


def label_functions(
    task: Mapping[str, Any], read: Callable[[Any], Signature] | None = None
) -> list[LabelFunction]:
    """The label functions of a task, those that its dataset has by default included.

    Empty for a dataset that has no ``label``, such as Qlib's.

    Args:
        task: It.
        read: Gives the signature of a class or function, or of a dotted path; default by import.

    Raises:
        TaskError: A function, or the dataset's class, cannot be found.
    """
    label = _get_label(task["dataset"], read)
    if label is None:
        return []
    labels = label if isinstance(label, (list, tuple)) else [label]
    return [_read_label_function(config, read or _import) for config in labels]


def label_horizon(
    task: Mapping[str, Any], columns: Sequence[Any] = (), column: int | None = None
) -> int | None:
    """Sessions that the task's label spans.

    What a record of the task says (``label_horizon``) counts first, then the label functions, then
    the expressions of a handler of Qlib's.

    Args:
        task: It.
        columns: Names of its label columns. Where each is of a function or an expression of its
            own, ``column`` alone counts; else the longest of all.
        column: A position among them; default the label that the model predicts.

    Returns:
        ``None`` where one of those that count does not say, or nothing does.

    Raises:
        TaskError: The label function, or the dataset's class, cannot be found; or there is no such
            column.
    """
    stated = _stated_by_record(task)
    if stated is not None:
        return stated
    horizons = [function.horizon for function in label_functions(task)]
    if not horizons:
        horizons = [expression_horizon(text) for text in read_label_expressions(task["dataset"])]
    if len(horizons) > 1 and len(horizons) == len(columns):
        return horizons[find_label(columns, predicted_label(task)) if column is None else column]
    known = [horizon for horizon in horizons if horizon is not None]
    return max(known, default=None) if len(known) == len(horizons) else None


def label_reach(
    task: Mapping[str, Any], read: Callable[[Any], Signature] | None = None
) -> int | None:
    """Sessions after which the task's label is known: its ``lag`` plus its ``horizon``.

    The longest of several; ``None`` when one of them, or the dataset, does not say.

    Args:
        task: It.
        read: As for :func:`label_functions`.

    Raises:
        TaskError: The label function, or the dataset's class, cannot be found.
    """
    reaches = [function.reach for function in label_functions(task, read)]
    stated = [reach for reach in reaches if reach is not None]
    return max(stated, default=None) if len(stated) == len(reaches) else None


def _stated_by_record(task: Mapping[str, Any]) -> int | None:
    records = task.get("record") or []
    for record in [records] if isinstance(records, (str, Mapping)) else records:
        kwargs = record.get("kwargs") if isinstance(record, Mapping) else None
        stated = kwargs.get("label_horizon") if isinstance(kwargs, Mapping) else None
        if type(stated) is int and stated > 0:
            return stated
    return None


def _get_label(dataset: Any, read: Callable[[Any], Signature] | None) -> Any:
    if isinstance(dataset, str):
        dataset = {"class": dataset}
    if not isinstance(dataset, Mapping):
        return getattr(dataset, "label", None)  # a ready object
    kwargs = dataset.get("kwargs") or {}
    if "label" in kwargs:
        return kwargs["label"]
    if read is not None:
        named = dataset.get("class", dataset.get("func"))
        return read(class_path(dataset) if isinstance(named, str) else named).default("label")
    parameters = inspect.signature(find_class(dataset, where="dataset")).parameters
    label = parameters.get("label")
    return None if label is None or label.default is inspect.Parameter.empty else label.default


def _import(function: Any) -> Signature:
    if isinstance(function, str):
        function = locate(function, where=LABEL)
    return read_signature(function)


def _read_label_function(label: Any, read: Callable[[Any], Signature]) -> LabelFunction:
    config = label if isinstance(label, Mapping) else {"func": label}
    if "func" not in config:
        raise TaskError(f"{LABEL} is {label!r}: use {{'func': 'package.function', 'kwargs': ...}}")
    signature = read(config["func"])
    if not signature.is_callable:
        raise TaskError(f"{LABEL} is {label!r}: use the dotted path of a function")
    defaults = {parameter.name: parameter.default for parameter in signature.parameters}
    parameters = {**defaults, **(config.get("kwargs") or {})}
    stated = signature.look_ahead
    return LabelFunction(config, parameters, LookAhead(*stated) if stated else _BY_PARAMETERS)
