"""Every public name of Qlib's workflow beside its counterpart here, by introspection.

``python -m tests.compat.record_qlib_surface`` writes ``docs/qlib_surface.md``;
``test_qlib_surface.py`` compares it, and fails on a difference that
``qlib_surface_reasons.yaml`` says nothing about.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from wf_dagster.compat.mirrored_names import MIRROR
from wf_dagster.imports.own_names import own_name

FILE = Path(__file__).parents[2] / "docs" / "qlib_surface.md"
REASONS = Path(__file__).with_name("qlib_surface_reasons.yaml")
MODULES = (
    "qlib.workflow",
    "qlib.workflow.exp",
    "qlib.workflow.expm",
    "qlib.workflow.recorder",
    "qlib.workflow.record_temp",
    "qlib.workflow.utils",
    "qlib.workflow.task.gen",
    "qlib.workflow.task.collect",
    "qlib.workflow.task.manage",
    "qlib.workflow.task.utils",
    "qlib.workflow.online.manager",
    "qlib.workflow.online.strategy",
    "qlib.workflow.online.update",
    "qlib.workflow.online.utils",
    "qlib.model.trainer",
    "qlib.model.ens.ensemble",
    "qlib.model.ens.group",
    "qlib.contrib.rolling.base",
    "qlib.contrib.eva.alpha",
    "qlib.cli.run",
)
# what imports more than pyqlib brings, so that it is told of as a whole
WHOLE_MODULES = ("qlib.contrib.rolling.ddgda",)
STATUSES = {"better": "better on purpose", "own": "Qlib's own", "n/a": "not applicable"}
_EMPTY = inspect.Parameter.empty
_NOTHING = object()


@dataclass
class Entry:
    """One public class, function, method or constant of Qlib's, and how it is here."""

    name: str
    signature: str
    differences: list[str] = field(default_factory=list)


def entries() -> Iterator[Entry]:
    """All public names, in the order of the modules."""
    for module in MODULES:
        for name, theirs in public_names(module):
            yield from compared(f"{module}.{name}", theirs, counterpart(module, name))


def public_names(module: str) -> Iterator[tuple[str, Any]]:
    """Classes and functions that a module of Qlib's defines, and its ``R``."""
    imported = importlib.import_module(module)
    for name in vars(imported):
        value = own_name(module, name) if not name.startswith("_") else None
        if name == "R" and module == "qlib.workflow":
            yield name, value
        elif inspect.isclass(value) or inspect.isfunction(value):
            yield from [(name, value)] if value.__module__ == module else []


def counterpart(module: str, name: str) -> Any:
    """What stands for it here; nothing where it would be Qlib's own."""
    mirror = importlib.import_module(f"{MIRROR}{module.removeprefix('qlib')}")
    return getattr(mirror, name) if name in mirror.__all__ else _NOTHING


def compared(name: str, theirs: Any, ours: Any) -> Iterator[Entry]:
    """A name, and the members of a class."""
    entry = Entry(name, text_of_signature(theirs))
    if ours is _NOTHING:
        entry.differences.append("not there")
    elif inspect.isfunction(theirs) or inspect.isclass(theirs):
        entry.differences += parameter_differences(theirs, ours)
    yield entry
    if ours is _NOTHING or not inspect.isclass(theirs):
        return
    for member in public_members(theirs):
        yield compared_member(f"{name}.{member}", theirs, ours, member)
    for attribute in attributes_set(theirs):
        if attribute in public_members(theirs):
            continue
        entry = Entry(f"{name}.{attribute}", "")
        if not hasattr(ours, attribute) and attribute not in attributes_set(ours):
            entry.differences.append("not there")
        yield entry


def compared_member(path: str, theirs: Any, ours: Any, member: str) -> Entry:
    """A method, a property or a constant of a class."""
    value = getattr(theirs, member)
    own = getattr(ours, member, _NOTHING)
    if callable(value):
        entry = Entry(path, text_of_signature(value))
        if callable(own):
            entry.differences += parameter_differences(value, own)
    else:
        is_property = isinstance(value, property)
        entry = Entry(path, "" if is_property else f" = {value!r}")
        if not is_property and own not in (value, _NOTHING):
            entry.differences.append(f"`{text_of_value(own)}`")
    if own is _NOTHING and member not in attributes_set(ours):
        entry.differences.append("not there")
    return entry


def public_members(cls: type) -> list[str]:
    """Public methods, properties and constants, also those of Qlib's base classes elsewhere.

    What a base class in :data:`MODULES` has stands with that one.
    """
    bases = [base for base in cls.__mro__[1:] if base.__module__.startswith("qlib.")]
    told = [base for base in bases if base.__module__ in MODULES]
    holders = [cls, *(b for b in bases if not any(issubclass(base, b) for base in told))]
    names = dict.fromkeys(name for holder in holders for name in vars(holder))
    return [name for name in names if not name.startswith("_")]


def attributes_set(cls: type) -> list[str]:
    """Public attributes that a class declares, or that its constructors set by their source."""
    names: dict[str, None] = {}
    for base in cls.__mro__:
        names |= dict.fromkeys(vars(base).get("__annotations__", {}))
        constructor = vars(base).get("__init__")
        if not inspect.isfunction(constructor):
            continue
        tree = ast.parse(textwrap.dedent(inspect.getsource(constructor)))
        targets = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
        names |= dict.fromkeys(
            node.attr
            for node in targets
            if isinstance(node.ctx, ast.Store)
            and isinstance(node.value, ast.Name)
            and node.value.id == "self"
        )
    return [name for name in names if not name.startswith("_")]


def parameter_differences(theirs: Any, ours: Any) -> list[str]:
    """How our callable takes other arguments than theirs."""
    own = parameters_of(ours)
    takes_any = {p.kind for p in own.values()}
    order = [n for n, p in own.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    found = []
    their_parameters = parameters_of(theirs)
    place = 0
    for name, parameter in their_parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            if parameter.kind not in takes_any and name not in order:
                found.append(f"no `{'*' * (1 + (parameter.kind is parameter.VAR_KEYWORD))}{name}`")
            continue
        here = own.get(name)
        is_positional = parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if here is None:
            if parameter.VAR_KEYWORD not in takes_any:
                found.append(f"no `{name}`")
        elif is_positional and here.kind is here.KEYWORD_ONLY:
            found.append(f"`{name}` by name only")
        elif is_positional and name in order[:place] + order[place + 1 :]:
            found.append(f"`{name}` is parameter {order.index(name) + 1}")
        if here is not None and not is_same_default(parameter.default, here.default):
            found.append(f"`{name}{text_of_default(here)}`")
        place += is_positional
    found += [
        f"`{name}` is required"
        for name, p in own.items()
        if name not in their_parameters
        and p.default is _EMPTY
        and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]
    return found


def parameters_of(function: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a callable, without ``self``; a typed dict of options is taken apart."""
    try:
        signature = inspect.signature(function)
    except ValueError:
        return {}
    parameters: dict[str, inspect.Parameter] = {}
    for name, parameter in signature.parameters.items():
        options = re.fullmatch(r"Unpack\[(\w+)\]", str(parameter.annotation))
        if name in ("self", "cls"):
            continue
        if options is None:
            parameters[name] = parameter
            continue
        holder = inspect.unwrap(function.__init__ if inspect.isclass(function) else function)
        group = getattr(importlib.import_module(holder.__module__), options[1])
        parameters |= {
            key: inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=_NOTHING)
            for key in group.__annotations__
        }
    return parameters


def is_same_default(theirs: Any, ours: Any) -> bool:
    """Whether leaving an argument out means the same, or is possible here alone.

    A dict or list is no default here, as a caller could change it: ``None`` or a tuple.
    """
    if theirs is _EMPTY or ours is _NOTHING or text_of_value(theirs) == text_of_value(ours):
        return True
    if isinstance(theirs, (list, set)) and isinstance(ours, tuple):
        return list(theirs) == list(ours)
    return theirs in ({}, []) and ours is None


def text_of_signature(value: Any) -> str:
    if not callable(value) or not hasattr(value, "__name__"):
        return ""
    parameters = parameters_of(value)
    parts, is_keyword_only = [], False
    for name, p in parameters.items():
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.kind is p.KEYWORD_ONLY and not is_keyword_only:
            is_keyword_only = True
            parts.append("*")
        is_keyword_only |= p.kind is p.VAR_POSITIONAL
        parts.append(f"{stars}{name}{text_of_default(p)}")
    return f"({', '.join(parts)})"


def text_of_default(parameter: inspect.Parameter) -> str:
    return "" if parameter.default is _EMPTY else f"={text_of_value(parameter.default)}"


def text_of_value(value: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return str(value.__name__)
    return re.sub(r"<(?:\S+\.)?(\w+) object at 0x[0-9a-f]+>", r"\1()", repr(value))


@cache
def reasons() -> Mapping[str, Mapping[str, str]]:
    """By name, or by the name of its class or module: the status, and why."""
    return yaml.safe_load(REASONS.read_text()) or {}


def reason_of(name: str) -> tuple[str, Mapping[str, str]] | None:
    """The key and the reason of a name, its own or that of what it is in."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if key in reasons() and (key == name or reasons()[key].get("whole")):
            return key, reasons()[key]
    return None


def unexplained() -> list[str]:
    """Differences that no reason stands for, and reasons that nothing needs."""
    used: set[str] = set(WHOLE_MODULES)
    wrong = [f"{name}: no line" for name in WHOLE_MODULES if name not in reasons()]
    for entry in entries():
        reason = reason_of(entry.name)
        if reason is not None and (entry.differences or reason[1].get("behaviour")):
            used.add(reason[0])
        elif entry.differences:
            wrong.append(f"{entry.name}: {', '.join(entry.differences)}")
    return wrong + [f"{key}: nothing differs" for key in reasons() if key not in used]


def table() -> str:
    """The page of ``docs/``."""
    counts: Counter[str] = Counter()
    sections: dict[str, list[str]] = {module: [] for module in (*MODULES, *WHOLE_MODULES)}
    for entry in entries():
        module = max((m for m in MODULES if entry.name.startswith(f"{m}.")), key=len)
        reason = reason_of(entry.name)
        status, why = "same", ""
        if entry.differences or (reason is not None and reason[1].get("behaviour")):
            status = STATUSES[reason[1]["status"]] if reason else "?"
            why = reason[1]["why"] if reason else ""
            shown = [d for d in entry.differences if d != "not there"]
            why = f"{', '.join(shown)}: {why}" if shown else why
        counts[status] += 1
        name = f"`{entry.name.removeprefix(module + '.')}{entry.signature}`".replace("|", r"\|")
        sections[module].append(f"| {name} | {status} | {why} |")
    for module in WHOLE_MODULES:
        reason = reasons().get(module) or {"status": "own", "why": "?"}
        status = STATUSES[reason["status"]]
        counts[status] += 1
        sections[module].append(f"| all of it | {status} | {reason['why']} |")
    text = _HEAD.format(
        total=sum(counts.values()), counts=", ".join(f"{n} {s}" for s, n in counts.most_common())
    )
    for module, rows in sections.items():
        text += f"\n## {module}\n\n| Qlib 0.9.7 | here | why |\n|---|---|---|\n"
        text += "\n".join(rows) + "\n"
    return text


_HEAD = """# Qlib's names here

Every public class, function, method and default of Qlib 0.9.7's workflow, and whether it is the
same here. `python -m tests.compat.record_qlib_surface` writes this page by introspection of both; a
test compares it. The names are in `wf_dagster.compat.qlib` under Qlib's module paths, and
in Qlib's own modules after `import wf_dagster.compat.install`.

*Same* is said of names, parameters, their order and their defaults. A list or `{{}}` as default is
a tuple or `None` here, which means the same and cannot be changed by a caller; what Qlib requires
may be left out here where it has a sensible default. What is different in what a name does is told
in [the differences](qlib.md#differences).

{total} names: {counts}.
"""

if __name__ == "__main__":
    FILE.write_text(table())
    wrong = unexplained()
    print("\n".join(wrong))
    sys.exit(1 if wrong else 0)
