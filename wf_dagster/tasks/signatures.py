"""What a class or function takes, and can, as plain values: known without importing it again."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wf_dagster.tasks.config import locate, nearest_name
from wf_dagster.tasks.look_ahead import stated_look_ahead

# that anything here asks for
_METHODS = ("fit", "predict", "prepare", "generate", "reweight", "load", "__call__")
# class attributes by which a class says what its arguments name
_NAMED_FUNCTIONS, _NAMED_CLASSES, _HANDS_ON_TO = "named_functions", "named_classes", "hands_on_to"
_TUPLES = ("methods", "named_functions", "bases", "elements")
_PLAIN = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class Parameter:
    """A parameter of a class or function.

    Attributes:
        name: Its name.
        is_positional: Whether it can be given by its position.
        is_keyword: Whether it can be given by its name.
        is_required: Whether it has no default.
        default: Its default, where that is a text, a number or a truth value.
    """

    name: str
    is_positional: bool = True
    is_keyword: bool = True
    is_required: bool = True
    default: Any = None


@dataclass(frozen=True)
class Signature:
    """What is known of a class, a function, or whatever else a dotted path leads to.

    Attributes:
        kind: ``"class"``, ``"function"``, or the name of the type of another thing.
        parameters: In their order.
        takes_any: Whether it takes keyword arguments of any name, or does not tell.
        methods: Which of the methods it has that tasks call.
        look_ahead: What a label function's ``looks_ahead`` says: horizon and lag.
        named_functions: The arguments of a class that name functions of one argument.
        named_classes: Those that name classes, each with the module of names without a dot.
        bases: Dotted paths of a class and those that it is derived from, as they are defined.
        elements: The texts of a collection of them.
        hands_on_to: The argument whose class gets the keyword arguments without a parameter.
        files: The files it stands in, each with its time of change (ns) and size (bytes).
    """

    kind: str
    parameters: tuple[Parameter, ...] = ()
    takes_any: bool = False
    methods: tuple[str, ...] = ()
    look_ahead: tuple[int | str, int | str] | None = None
    named_functions: tuple[str, ...] = ()
    named_classes: Mapping[str, str] = field(default_factory=dict)
    hands_on_to: str | None = None
    bases: tuple[str, ...] = ()
    elements: tuple[str, ...] = ()
    files: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def is_callable(self) -> bool:
        """Whether it can be called."""
        return self.kind in ("class", "function") or "__call__" in self.methods

    @property
    def keywords(self) -> list[str]:
        """The names that it takes as keyword arguments."""
        return [parameter.name for parameter in self.parameters if parameter.is_keyword]

    def default(self, name: str) -> Any:
        """The default of a parameter; ``None`` where there is none, or no plain one."""
        return next((p.default for p in self.parameters if p.name == name), None)

    def missing(self, names: Iterable[str], positional: int = 0) -> list[str]:
        """The parameters without a default that get nothing.

        Args:
            names: Names of keyword arguments.
            positional: How many arguments are given by their position.
        """
        by_place = [p.name for p in self.parameters if p.is_positional][:positional]
        there = {*by_place, *names}
        return [p.name for p in self.parameters if p.is_required and p.name not in there]

    def unknown(self, names: Iterable[str]) -> list[str]:
        """The keyword arguments that it does not take."""
        return [] if self.takes_any else [n for n in names if n not in self.keywords]

    def describe_unknown(self, name: str) -> str:
        """What it takes instead of an argument of that name."""
        hint = nearest_name(name, self.keywords)
        return hint or f"; it takes {', '.join(self.keywords) or 'no arguments'}"

    def to_plain(self) -> dict[str, Any]:
        """As values of JSON."""
        return asdict(self)

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Signature:
        """What :meth:`to_plain` gave, through JSON or not."""
        look_ahead = plain["look_ahead"]
        return cls(
            **{
                **plain,
                "parameters": tuple(Parameter(**values) for values in plain["parameters"]),
                **{name: tuple(plain[name]) for name in _TUPLES},
                "look_ahead": None if look_ahead is None else tuple(look_ahead),
                "files": {file: tuple(state) for file, state in plain["files"].items()},
            }
        )


def import_signature(path: str) -> Signature:
    """The signature of what a dotted path leads to, which is imported.

    Raises:
        TaskError: It cannot be found.
    """
    value = locate(path)
    signature = read_signature(value)
    files = {str(f): state_of(f) for f in _files_of(path, value)}
    return Signature(**{**vars(signature), "files": files})


def read_signature(value: Any) -> Signature:
    """The signature of a class, a function or another thing, without its files."""
    is_class = isinstance(value, type)
    kind = "class" if is_class else "function" if inspect.isroutine(value) else type(value).__name__
    methods = tuple(name for name in _METHODS if _has_method(value, name))
    if not callable(value):
        return Signature(kind, methods=methods, elements=_texts_in(value))
    bases = tuple(f"{k.__module__}.{k.__qualname__}" for k in getattr(value, "__mro__", ()))
    try:
        parameters = list(inspect.signature(value).parameters.values())
    except (TypeError, ValueError):  # a class or function of C has none to show
        return Signature(kind, takes_any=True, methods=methods, bases=bases)
    names = [parameter.name for parameter in parameters]
    stated = stated_look_ahead(value)
    takes_any = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters)
    functions, classes, hands_on_to = (
        getattr(value, name, None) if is_class else None
        for name in (_NAMED_FUNCTIONS, _NAMED_CLASSES, _HANDS_ON_TO)
    )
    return Signature(
        kind,
        parameters=tuple(_read_parameters(parameters)),
        takes_any=takes_any,
        methods=methods,
        look_ahead=None if stated is None else (stated.horizon, stated.lag),
        named_functions=functions if isinstance(functions, tuple) else (),
        named_classes=dict(classes) if isinstance(classes, Mapping) else {},
        hands_on_to=hands_on_to if takes_any and hands_on_to in names else None,
        bases=bases,
    )


def _texts_in(value: Any) -> tuple[str, ...]:
    is_collection = isinstance(value, (list, tuple, set, frozenset, dict))
    return tuple(sorted(text for text in value if isinstance(text, str))) if is_collection else ()


def _has_method(value: Any, name: str) -> bool:
    if not isinstance(value, type):
        return callable(getattr(value, name, None))
    # not those of the class itself: each class can be called
    holder = next((kind for kind in value.__mro__ if name in vars(kind)), None)
    if holder is None and name != "__call__":  # it may hand on what it has not itself
        return any("__getattr__" in vars(kind) for kind in value.__mro__)
    return holder is not None and vars(holder)[name] is not None


def state_of(file: str | Path) -> tuple[int, int]:
    """What changes with a file: its time of change (ns) and its size (bytes).

    Raises:
        OSError: It is not there.
    """
    stat = Path(file).stat()
    return stat.st_mtime_ns, stat.st_size


def _read_parameters(parameters: Iterable[inspect.Parameter]) -> Iterator[Parameter]:
    by_place = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    by_name = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    for parameter in parameters:
        if parameter.kind in (*by_place, *by_name):
            has_none = parameter.default is inspect.Parameter.empty
            is_plain = not has_none and type(parameter.default) in _PLAIN
            yield Parameter(
                parameter.name,
                is_positional=parameter.kind in by_place,
                is_keyword=parameter.kind in by_name,
                is_required=has_none,
                default=parameter.default if is_plain else None,
            )


def _files_of(path: str, value: Any) -> Iterator[Path]:
    """The files of the module that a path names, of its packages, and where things are defined."""
    parts = path.split(".")[:-1]
    modules = {".".join(parts[: place + 1]) for place in range(len(parts))}
    kinds = value.__mro__ if isinstance(value, type) else (value,)
    modules |= {str(getattr(kind, "__module__", "")) for kind in kinds}
    for module in sorted(modules):
        file = getattr(sys.modules.get(module), "__file__", None)
        if file and Path(file).is_file():
            yield Path(file)
