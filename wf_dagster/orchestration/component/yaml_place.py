"""A place in a ``defs.yaml``, and errors that show its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import dagster as dg
from dagster.components.resolved.errors import ResolutionException
from dagster_shared.yaml_utils.source_position import SourcePositionTree
from pydantic import ValidationError

Path = tuple["str | int", ...]


@dataclass(frozen=True)
class YamlPlace:
    """A place in a YAML document.

    Attributes:
        tree: The lines of the document; ``None`` of values that come from no file.
        path: Keys and positions that lead to the place.
    """

    tree: SourcePositionTree | None
    path: Path

    @classmethod
    def of(cls, context: dg.ResolutionContext) -> YamlPlace:
        """The place at which Dagster resolves a value."""
        return cls(context.source_position_tree, tuple(context.path))

    def at(self, *path: str | int) -> YamlPlace:
        """A place below this one."""
        return replace(self, path=(*self.path, *path))

    def error(self, message: str) -> ResolutionException:
        """An error that shows the line of this place, or of the closest one above it."""
        where = ".".join(map(str, self.path))
        if self.tree is None:
            return ResolutionException(f"{where}: {message}" if where else message)
        source = self.tree.source_error(
            yaml_path=list(self.path), inline_error_message="here", value_error=True
        )
        return ResolutionException(
            f"{source.file_name}:{source.start_line_no} - {source.location}: {message}\n"
            f"{source.snippet}"
        )

    def invalid(self, error: ValidationError) -> ResolutionException:
        """The first complaint of a schema about the value at this place, at its line."""
        first, *others = error.errors()
        more = f" (and {len(others)} more)" if others else ""
        return self.at(*first["loc"]).error(f"{first['msg']}, not {first['input']!r}{more}")

    def named_in(self, message: str, value: Any) -> YamlPlace:
        """The place below this one that a message names by its path; else this one.

        Args:
            message: It begins with a path such as ``step``, or holds one such as
                ``dataset.kwargs.segments.train``.
            value: The value at this place.
        """
        places = [
            path
            for path in _paths(value)
            if re.search(_pattern(path, anywhere=len(path) > 1), message)
        ]
        return self.at(*max(places, key=len, default=()))


def _paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """The paths of all that a value holds."""
    items: Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = enumerate(value)
    for key, inner in items:
        yield (*path, key)
        yield from _paths(inner, (*path, key))


def _pattern(path: Path, *, anywhere: bool) -> str:
    text = re.escape(".".join(map(str, path)))
    return rf"(?<![\w.]){text}(?![\w])" if anywhere else rf"^{text}(?![\w])"
