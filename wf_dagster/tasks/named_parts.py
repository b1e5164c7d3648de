"""The parts that a task names, wherever in it they stand, and what is wrong with each of them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.tasks.config import split_path
from wf_dagster.tasks.schema import REWEIGHTER, list_records
from wf_dagster.tasks.signatures import Signature, read_signature

LookUp = Callable[[Sequence[str]], Mapping[str, "Signature | TaskError | None"]]
_KEYS = {"class", "func", "module_path", "kwargs"}
_OF_MODELS = ("fit", "predict")
_OF_RECORDS = ("recorder", "model", "dataset", "market")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class NamedPart:
    """A class or function that a task names.

    Attributes:
        where: Path in the task of what names it.
        what: Its dotted path, or itself.
        place: Path of the name, for messages.
        kwargs: The keyword arguments that the task gives.
        positional: How many arguments it gets by their position.
        offered: Keyword arguments that it gets where it has a parameter for them.
        is_complete: Whether that is all that it gets.
        needs: Methods that it must have if it is a class.
        noun: What it is in a task, for messages.
    """

    where: str
    what: Any
    place: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    positional: int = 0
    offered: Sequence[str] = ()
    is_complete: bool = False
    needs: Sequence[str] = ()
    noun: str = "a class"

    @property
    def path(self) -> str | None:
        """Its dotted path, if it is not there itself."""
        return self.what if isinstance(self.what, str) else None

    @property
    def name(self) -> str:
        """Its name, for messages."""
        if isinstance(self.what, str):
            return self.what.rpartition(".")[2]
        return str(getattr(self.what, "__name__", type(self.what).__name__))

    def find_mistakes(self, signature: Signature) -> Iterator[TaskError]:
        """What is wrong with it.

        Args:
            signature: Its own.
        """
        if not signature.is_callable:
            yield TaskError(f"{self.place} {self.name!r} is a {signature.kind}, not {self.noun}")
            return
        lacking = [n for n in self.needs if n not in signature.methods]
        if lacking and signature.kind == "class":
            yield TaskError(
                f"{self.place}: {self.name} has no {' and no '.join(lacking)}: {self.noun} needs "
                f"{' and '.join(self.needs)}"
            )
            return
        unknown = [] if signature.hands_on_to else signature.unknown(self.kwargs)
        for name in unknown:
            yield TaskError(
                f"{self.where}.kwargs.{name}: {self.name} takes no {name!r}"
                f"{signature.describe_unknown(name)}"
            )
        if self.is_complete and not unknown:
            for name in signature.missing([*self.kwargs, *self.offered], self.positional):
                yield TaskError(f"{self.where}.kwargs.{name} is missing: {self.name} needs it")
        if signature.takes_any and not signature.hands_on_to:
            self._warn_of_likely_typos(signature)

    def _warn_of_likely_typos(self, signature: Signature) -> None:
        free = [name for name in signature.keywords if name not in self.kwargs]
        for name in set(self.kwargs) - set(signature.keywords):
            for close in get_close_matches(name, free, n=1, cutoff=0.9):
                _log.warning(
                    "%s.kwargs.%s is handed on by %s: did you mean %r?",
                    *(self.where, name, self.name, close),
                )


def find_part_mistakes(task: Mapping[str, Any], look_up: LookUp) -> Iterator[TaskError]:
    """What is wrong with the classes and functions that a task names, and their arguments.

    Args:
        task: A template or a task, of which :func:`find_form_mistakes` finds nothing wrong.
        look_up: Gives the signatures of dotted paths, and remembers them.
    """
    parts = list(_outer_parts(task))
    while parts:
        signatures = look_up([part.path for part in parts if part.path is not None])
        inner: list[NamedPart] = []
        for part in parts:
            known = signatures[part.path] if part.path is not None else read_signature(part.what)
            signature = known if isinstance(known, Signature) else None
            if isinstance(known, TaskError):
                yield TaskError(f"{part.place}: {known}")
            elif signature is not None:
                yield from part.find_mistakes(signature)
            for child in _inner_parts(part, signature):
                if isinstance(child, TaskError):
                    yield child
                else:
                    inner.append(child)
        parts = inner
    model = task.get("model")
    if model is not None and not isinstance(model, (str, Mapping)):
        try:
            check_model(model)
        except TaskError as error:
            yield error


def check_parts(task: Mapping[str, Any], look_up: LookUp) -> None:
    """Refuse a task whose classes and functions cannot be found or do not take their arguments.

    Args:
        task: As for :func:`find_part_mistakes`, like the other parameter.
        look_up: Gives the signatures of dotted paths.

    Raises:
        TaskError: The first thing that is wrong.
    """
    for mistake in find_part_mistakes(task, look_up):
        raise mistake


def check_model(model: Any) -> None:
    """Refuse a ready model that cannot be fitted or cannot predict.

    Raises:
        TaskError: It has no ``fit`` or no ``predict``.
    """
    lacking = [name for name in _OF_MODELS if not callable(getattr(model, name, None))]
    if lacking:
        raise TaskError(
            f"model: {type(model).__name__} has no {' and no '.join(lacking)}: a model needs "
            "fit(dataset) and predict(dataset, segment)"
        )


def read_part(config: Any, where: str, module: str = "", **options: Any) -> NamedPart | None:
    """The part that a configuration, or a dotted path, names.

    Args:
        config: ``{"class" or "func", "module_path", "kwargs"}``, a dotted path, or the thing.
        where: Its path in the task.
        module: The module of a name without a dot.
        **options: Further attributes of the part.

    Returns:
        ``None`` for a ready object, of which nothing is to be said.

    Raises:
        TaskError: A name does not say where it is.
    """
    kwargs: Any = {}
    if isinstance(config, Mapping):
        key = "func" if "func" in config and "class" not in config else "class"
        what, kwargs = config.get(key), config.get("kwargs") or {}
        module = config.get("module_path") or module
        place = f"{where}.{key}"
    else:
        what, place = config, where
    if isinstance(what, str):
        what = ".".join(split_path(what, module or None, where=place))
    elif not callable(what):
        return None
    kwargs = kwargs if isinstance(kwargs, Mapping) else {}
    return NamedPart(where, what, place, kwargs, **options)


def _outer_parts(task: Mapping[str, Any]) -> Iterator[NamedPart]:
    of_model: dict[str, Any] = {"needs": _OF_MODELS, "noun": "a model"}
    of_dataset: dict[str, Any] = {
        "needs": ("prepare",),
        "noun": "a dataset",
        "offered": ("market",),
    }
    of_record: dict[str, Any] = {"needs": ("generate",), "noun": "a record", "offered": _OF_RECORDS}
    outer = [("model", task.get("model"), of_model), ("dataset", task.get("dataset"), of_dataset)]
    outer += [(where, record, of_record) for where, record in list_records(task)]
    for where, config, options in outer:
        if isinstance(config, (str, Mapping)):
            part = read_part(config, where, is_complete=True, **options)
            if part is not None:
                yield part
    weights = task.get(REWEIGHTER)
    if isinstance(weights, Mapping) and ("class" in weights or "func" in weights):
        is_function = "class" not in weights
        part = read_part(weights, REWEIGHTER, positional=int(is_function), is_complete=True)
        if part is not None:
            yield part
    elif isinstance(weights, str):
        part = read_part(weights, REWEIGHTER)
        if part is not None:
            yield part


def _inner_parts(part: NamedPart, signature: Signature | None) -> Iterator[NamedPart | TaskError]:
    """What the arguments of a part name."""
    functions = () if signature is None else signature.named_functions
    classes = {} if signature is None else signature.named_classes
    hands_on_to = None if signature is None else signature.hands_on_to
    for name, value in part.kwargs.items():
        where = f"{part.where}.kwargs.{name}"
        if name in functions:
            options: dict[str, Any] = {"positional": 1, "noun": "a function"}
            yield from _read_each(value, where, is_complete=True, **options)
        elif name == hands_on_to:
            pass
        elif name in classes:
            yield from _read_each(value, where, classes[name])
        else:
            yield from _nested(value, where)
    if hands_on_to is not None and signature is not None:
        yield from _hand_on(part, signature, hands_on_to)


def _hand_on(part: NamedPart, signature: Signature, name: str) -> Iterator[NamedPart | TaskError]:
    """The part that gets the keyword arguments for which another one has no parameter."""
    value = part.kwargs.get(name, signature.default(name))
    others = {n: v for n, v in part.kwargs.items() if n not in signature.keywords}
    where = f"{part.where}.kwargs.{name}"
    if isinstance(value, Mapping):
        yield from _nested(value, where)
    elif isinstance(value, str) or callable(value):
        try:
            inner = read_part(value, where)
        except TaskError as error:
            yield error
            return
        if inner is not None:
            yield NamedPart(part.where, inner.what, where, others, needs=("fit", "predict"),
                            noun="an estimator", is_complete=True)  # fmt: skip


def _read_each(
    value: Any, where: str, module: str = "", **options: Any
) -> Iterator[NamedPart | TaskError]:
    """The parts of a list of them, or of one alone."""
    is_list = isinstance(value, (list, tuple))
    for position, item in enumerate(value if is_list else [value]):
        place = f"{where}.{position}" if is_list else where
        if isinstance(item, Mapping) and not ("class" in item or "func" in item):
            yield TaskError(f"{place} is {item!r}: write {{'class' or 'func': ..., 'kwargs': ...}}")
            continue
        try:
            part = read_part(item, place, module, **options)
        except TaskError as error:
            yield error
            continue
        if part is not None:
            yield part


def _nested(value: Any, where: str) -> Iterator[NamedPart]:
    """The configurations inside a value, of those that say where their class is."""
    if isinstance(value, Mapping):
        name = value.get("class", value.get("func"))
        is_named = isinstance(name, str) and ("." in name or value.get("module_path"))
        if (is_named or isinstance(name, type)) and set(value) <= _KEYS:
            part = read_part(value, where)
            if part is not None:
                yield part
            return
        for key, inner in value.items():
            yield from _nested(inner, f"{where}.{key}")
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            yield from _nested(inner, f"{where}.{position}")


def foresee_paths(task: Mapping[str, Any]) -> set[str]:
    """Dotted paths that will be asked for, as far as they show: asked at once they cost less.

    Args:
        task: A template or a task.

    Raises:
        TaskError: A name does not say where it is.
    """
    paths = {p.path for p in _outer_parts(task) if p.path is not None}
    waiting = [part.kwargs for part in _outer_parts(task)]
    for kwargs in waiting:
        for part in _nested(dict(kwargs), ""):
            paths.add(part.path or "")
            waiting.append(part.kwargs)
        for name in ("features", "label", "estimator"):
            value = kwargs.get(name)
            for item in value if isinstance(value, (list, tuple)) else [value]:
                path = item.get("func") if isinstance(item, Mapping) else item
                if isinstance(path, str) and "." in path:
                    paths.add(path)
    return paths - {""}
