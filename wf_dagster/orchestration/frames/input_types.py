"""The type that the annotation of an input asks for."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

import dagster as dg
import pandas as pd

from wf_dagster.errors import CollectError
from wf_dagster.frames import to_polars

_REMEDY = (
    "annotate it with pandas.DataFrame, polars.DataFrame or polars.LazyFrame; of partitioned "
    "assets also with dict[str, ...] of these"
)


@dataclass(frozen=True)
class InputType:
    """What an input takes.

    Attributes:
        kind: A class; ``None`` for any.
        is_dict: Whether it takes one such a roll, by key.
        place: The input, for messages.
    """

    kind: Any
    is_dict: bool
    place: str

    @classmethod
    def of(cls, context: dg.InputContext) -> InputType:
        """That of an input of Dagster."""
        kind = _strip_optional(context.dagster_type.typing_type)
        place = place_of(context)
        if kind is dict or get_origin(kind) in (dict, Mapping):
            values = get_args(kind)[1:]
            return cls(_any_as_none(values[0] if values else None), True, place)
        return cls(_any_as_none(kind), False, place)

    def convert(self, frame: pd.DataFrame) -> Any:
        """A frame as this type.

        Raises:
            CollectError: It is not to be had as such.
        """
        if self.kind in (None, pd.DataFrame):
            return frame
        package = str(getattr(self.kind, "__module__", "")).partition(".")[0]
        name = getattr(self.kind, "__name__", "")
        if package == "polars" and name in ("DataFrame", "LazyFrame"):
            polars_frame = to_polars(frame)
            return polars_frame.lazy() if name == "LazyFrame" else polars_frame
        raise CollectError(
            f"{self.place} is annotated with {self._label}, and is a frame: {_REMEDY}"
        )

    def pass_objects(self, objects: Sequence[Any]) -> Any:
        """A list of objects.

        Raises:
            CollectError: Something else is asked for.
        """
        if self.is_dict or (get_origin(self.kind) or self.kind) not in (None, list):
            raise CollectError(
                f"{self.place} is annotated with {self._label}, and is a list of recorders: "
                "annotate it with list"
            )
        return list(objects)

    def pass_rolls(self, recorders: Mapping[str, Any]) -> Any:
        """The recorder of a roll, or those of several by key.

        Raises:
            CollectError: Something else is asked for.
        """
        if self.is_dict:
            return dict(recorders)
        first = next(iter(recorders.values()))
        if self.kind is not None and not isinstance(first, self.kind):
            raise CollectError(
                f"{self.place} is annotated with {self._label}, and is a recorder: annotate it "
                "with wf_dagster.tracking.Recorder, or dict for several rolls"
            )
        return first if len(recorders) == 1 else dict(recorders)

    @property
    def _label(self) -> str:
        return getattr(self.kind, "__qualname__", None) or str(self.kind)


def place_of(context: dg.InputContext) -> str:
    """The input, for messages; without a name where it is loaded outside of a run."""
    key = context.asset_key.to_user_string()
    return f"input {context.name!r} ({key})" if context.has_input_name else key


def _any_as_none(kind: Any) -> Any:
    return None if kind in (Any, object, types.NoneType) else kind


def _strip_optional(kind: Any) -> Any:
    if get_origin(kind) not in (Union, types.UnionType):
        return kind
    kinds = [part for part in get_args(kind) if part is not types.NoneType]
    return kinds[0] if len(kinds) == 1 else kind
