"""What a function computes, as a digest: its code and all it reaches, as this process holds it.

The text of a module would not do: a long-lived process may run older code than the file now
holds, and a helper in another file changes the result without changing the text.
"""

from __future__ import annotations

import functools
import hashlib
import pickle
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

_INSTALLED = tuple(
    {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)


def code_digest(function: Callable[..., Any]) -> str:
    """SHA-256 of a function's code, defaults, and the constants and functions it refers to.

    Follows references into the function's own package and into modules that are not installed
    packages; of those the version counts. An import inside a function is not followed.
    """
    inner = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    walk = _Walk(package=(getattr(inner, "__module__", None) or "").split(".")[0])
    digest = hashlib.sha256()
    for text in walk.value(function):
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()


class _Walk:
    def __init__(self, package: str) -> None:
        self.package = package
        self.seen: dict[int, Any] = {}  # holds the values, so that no id is used twice

    def value(self, value: Any) -> Iterator[str]:
        if value is None or isinstance(value, (bool, int, float, complex, str, bytes)):
            yield repr(value)
        elif isinstance(value, CodeType):
            yield from self._code(value)
        elif isinstance(value, ModuleType):
            yield _library(value.__name__)
        elif id(value) in self.seen:
            yield "seen"
        else:
            self.seen[id(value)] = value
            yield type(value).__qualname__
            yield from self._compound(value)

    def _compound(self, value: Any) -> Iterator[str]:
        if isinstance(value, (tuple, list)):
            for inner in value:
                yield from self.value(inner)
        elif isinstance(value, (set, frozenset)):
            yield repr(sorted(map(repr, value)))
        elif isinstance(value, Mapping):
            for key in value:
                yield repr(key)
                yield from self.value(value[key])
        elif isinstance(value, functools.partial):
            yield from self.value((value.func, value.args, value.keywords))
        elif isinstance(value, MethodType):
            yield from self.value((value.__func__, value.__self__))
        elif isinstance(value, FunctionType):
            yield from self._function(value)
        elif isinstance(value, type):
            yield from self._class(value)
        elif hasattr(value, "__wrapped__"):  # functools.cache and the like
            yield from self.value(value.__wrapped__)
        else:
            yield from self._instance(value)

    def _function(self, function: FunctionType) -> Iterator[str]:
        yield f"{function.__module__}.{function.__qualname__}"
        if not self._follows(function.__module__):
            yield _library(function.__module__)
            return
        yield from self._code(function.__code__)
        yield from self.value((function.__defaults__, function.__kwdefaults__))
        for cell in function.__closure__ or ():
            yield from self.value(cell.cell_contents)
        names = sorted(_names(function.__code__))
        for name in names:
            if name in function.__globals__:
                value = function.__globals__[name]
                yield name
                yield from self.value(value)
                if isinstance(value, ModuleType) and self._follows(value.__name__):
                    for inner in names:
                        if hasattr(value, inner):
                            yield from self.value(getattr(value, inner))

    def _code(self, code: CodeType) -> Iterator[str]:
        yield code.co_code.hex()
        yield repr((code.co_names, code.co_varnames, code.co_flags))
        for constant in code.co_consts:
            yield from self.value(constant)

    def _class(self, kind: type) -> Iterator[str]:
        yield f"{kind.__module__}.{kind.__qualname__}"
        if not self._follows(kind.__module__):
            yield _library(kind.__module__)
            return
        yield from self.value(kind.__bases__)
        for name, member in sorted(vars(kind).items()):
            method = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
            if isinstance(method, FunctionType) or not name.startswith("__"):
                yield name
                yield from self.value(method)

    def _instance(self, value: Any) -> Iterator[str]:
        yield from self._class(type(value))
        try:
            yield hashlib.sha256(pickle.dumps(value)).hexdigest()
        except Exception:  # a lock, a connection: its class has to do
            return

    def _follows(self, module: str | None) -> bool:
        if not module:
            return False
        if module.split(".")[0] in (self.package, "__main__"):
            return True
        file = getattr(sys.modules.get(module), "__file__", None)
        return isinstance(file, str) and not file.startswith(_INSTALLED)


def _names(code: CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _library(module: str | None) -> str:
    top = (module or "").split(".")[0]
    return f"{module} {getattr(sys.modules.get(top), '__version__', '')}"
