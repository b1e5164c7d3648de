"""Values of a ``defs.yaml`` that may be written as ``{{ ... }}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from wf_dagster.orchestration.component.yaml_place import YamlPlace

_MARKS = ("{{", "{%")
_PATTERN = r"\{[{%]"


class Templated:
    """Marks the type of a field whose value may come from a template.

    Beside its own values, such a field takes a text with ``{{ ... }}`` in it, and ready objects. A
    union with ``str`` would do the same, but its complaints are those of a whole section and not
    of the line that is wrong.

    Args:
        *objects: Classes whose instances a template may put there.
        any_text: Whether every text will do.
        optional: Whether nothing will do.
    """

    def __init__(self, *objects: type, any_text: bool = False, optional: bool = False) -> None:
        texts = {"type": "string"} if any_text else {"type": "string", "pattern": _PATTERN}
        self.objects = (*objects, *[str] * any_text, *[type(None)] * optional)
        self.passing = {"anyOf": [texts, {"type": "null"}]} if optional else texts

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Texts with a template in them and ready objects pass as they are."""

        def check(value: Any, validate: Callable[[Any], Any]) -> Any:
            is_ready = isinstance(value, self.objects) or is_template(value)
            return value if is_ready else validate(value)

        return core_schema.no_info_wrap_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """Whoever checks by it descends into the branch, and so names the line."""
        return {"if": self.passing, "else": handler(schema)}


def is_template(value: Any) -> bool:
    """Whether a value is a text with a template in it."""
    return isinstance(value, str) and any(mark in value for mark in _MARKS)


def fill_templates(context: dg.ResolutionContext, value: Any) -> Any:
    """A value with what its templates stand for; other texts stay what they are.

    Dagster takes each text for a template, and by that ``"600000"`` for a number.

    Args:
        context: Where the value is, and what templates may name.
        value: Nested mappings and lists.

    Raises:
        ResolutionException: A template cannot be filled.
    """
    if isinstance(value, Mapping):
        return {key: fill_templates(context.at_path(key), v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill_templates(context.at_path(i), v) for i, v in enumerate(value)]
    if not is_template(value):
        return value
    filled = context.resolve_value(value)
    if filled is None and "env" in value:
        raise YamlPlace.of(context).error(
            f"{value} stands for nothing: set the variable, or write "
            "{{ env('NAME', 'a default') }}"
        )
    return filled
