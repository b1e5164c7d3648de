"""The errors a person can meet: one tree, drawn where they are defined."""

from __future__ import annotations

import ast
from pathlib import Path

from wf_dagster import errors
from wf_dagster.errors import WfError


def _draw(kind, before=""):
    """The tree below an error, its children in the order in which they are defined."""
    lines = []
    children = [child for child in kind.__subclasses__() if child.__module__ == errors.__name__]
    for child in children:
        is_last = child is children[-1]
        # Qlib's error is added to its counterpart once Qlib is imported
        bases = [b for b in child.__bases__ if b.__module__.partition(".")[0] != "qlib"]
        others = [base.__name__ for base in bases if not issubclass(base, WfError)]
        label = f"{child.__name__} ({', '.join(others)})" if others else child.__name__
        lines.append(f"{before}{'└── ' if is_last else '├── '}{label}")
        lines += _draw(child, before + ("    " if is_last else "│   "))
    return lines


def test_the_tree_that_is_drawn_is_that_of_the_classes():
    text = errors.__doc__.split("::\n\n", 1)[1]
    drawn = [line.removeprefix("    ") for line in text.splitlines() if line.strip()]
    assert drawn == ["WfError", *_draw(WfError)]


def test_no_other_module_defines_an_error_that_a_person_can_meet():
    own = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    elsewhere = [
        f"{path}: {node.name}"
        for path in Path(errors.__file__).parent.rglob("*.py")
        if path != Path(errors.__file__)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and own & {base.id for base in node.bases if isinstance(base, ast.Name)}
    ]
    assert elsewhere == []
