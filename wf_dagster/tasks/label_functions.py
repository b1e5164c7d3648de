"""The label functions that a task names, and how far they look ahead."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.tasks.config import find_class, locate

LABEL = "dataset.kwargs.label"


@dataclass(frozen=True)
class LabelFunction:
    """A function of prices that makes labels.

    Attributes:
        config: As the task holds it: ``{"func": ..., "kwargs": ...}``.
        parameters: Its keyword arguments: what the task gives, else its defaults.
    """

    config: Mapping[str, Any]
    parameters: Mapping[str, Any]

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """The keyword arguments that the task gives."""
        return self.config.get("kwargs") or {}

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        function = self.config["func"]
        return function if isinstance(function, str) else getattr(function, "__name__", "it")


def label_functions(task: Mapping[str, Any]) -> list[LabelFunction]:
    """The label functions of a task, those that its dataset has by default included.

    Empty for a dataset that has no ``label``, such as Qlib's.

    Raises:
        TaskError: A function, or the dataset's class, cannot be found.
    """
    label = _get_label(task["dataset"])
    if label is None:
        return []
    labels = label if isinstance(label, (list, tuple)) else [label]
    return [_read_label_function(config) for config in labels]


def label_horizon(task: Mapping[str, Any]) -> int:
    """Sessions that the task's label spans (the longest, of several); 1 when it does not say.

    Raises:
        TaskError: The label function, or the dataset's class, cannot be found.
    """
    spans = [function.parameters.get("horizon") for function in label_functions(task)]
    return max((span for span in spans if isinstance(span, int)), default=1)


def label_reach(task: Mapping[str, Any]) -> int | None:
    """Sessions after which the task's label is known: its ``lag`` plus its ``horizon``.

    The longest of several; ``None`` when one of them, or the dataset, does not say.

    Raises:
        TaskError: The label function, or the dataset's class, cannot be found.
    """
    reaches = [_reach(function.parameters) for function in label_functions(task)]
    stated = [reach for reach in reaches if reach is not None]
    return max(stated, default=None) if len(stated) == len(reaches) else None


def _reach(parameters: Mapping[str, Any]) -> int | None:
    # a function without `lag` may still trade later than it forecasts: it does not say
    lag, horizon = parameters.get("lag"), parameters.get("horizon")
    if type(lag) is int and type(horizon) is int:
        return lag + horizon
    return None


def _get_label(dataset: Any) -> Any:
    if isinstance(dataset, str):
        dataset = {"class": dataset}
    if not isinstance(dataset, Mapping):
        return getattr(dataset, "label", None)  # a ready object
    kwargs = dataset.get("kwargs") or {}
    if "label" in kwargs:
        return kwargs["label"]
    parameters = inspect.signature(find_class(dataset, where="dataset")).parameters
    label = parameters.get("label")
    return None if label is None or label.default is inspect.Parameter.empty else label.default


def _read_label_function(label: Any) -> LabelFunction:
    config = label if isinstance(label, Mapping) else {"func": label}
    if "func" not in config:
        raise TaskError(f"{LABEL} is {label!r}: use {{'func': 'package.function', 'kwargs': ...}}")
    function = config["func"]
    if isinstance(function, str):
        function = locate(function, where=LABEL)
    if not callable(function):
        raise TaskError(f"{LABEL} is {label!r}: use the dotted path of a function")
    defaults = {
        name: None if parameter.default is inspect.Parameter.empty else parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
    }
    return LabelFunction(config, {**defaults, **(config.get("kwargs") or {})})
