"""The rolls and rows that a partition of another kind stands for, in any time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.errors import CollectError
from wf_dagster.orchestration.frames.input_types import place_of
from wf_dagster.orchestration.frames.roll_input import TIMEZONE, WINDOWED


@dataclass(frozen=True)
class RollWindow:
    """The time of a partition, on the clock of the sessions.

    Attributes:
        start: Where it begins, without time zone.
        end: Where it has ended, without time zone; ``None`` is open.
    """

    start: pd.Timestamp
    end: pd.Timestamp | None

    @classmethod
    def of(cls, context: dg.InputContext) -> RollWindow | None:
        """That of the run which an input is loaded for; ``None`` unless the input asks for it.

        Raises:
            CollectError: The run has no time partition.
        """
        metadata = context.definition_metadata or {}
        if not _value(metadata.get(WINDOWED)):
            return None
        window = _partition_window(context)
        if window is None:
            raise CollectError(
                f"{place_of(context)} is cut to the time of a partition (roll_input), and the "
                "asset that takes it has no partitions that are times: take dg.AssetIn("
                f"{context.asset_key.path}) for all rolls"
            )
        zone = _value(metadata.get(TIMEZONE))
        start, end = (_on_clock(moment, zone) for moment in (window.start, window.end))
        definition = context.step_context.run_partitions_def
        if isinstance(definition, dg.TimeWindowPartitionsDefinition) and definition.exclusions:
            # with exclusions a window's end means nothing: the next partition ends it
            following = definition.get_next_partition_window(window.end)
            return cls(start, _on_clock(following.start, zone) if following else None)
        return cls(start, end)

    def keys(self, there: Sequence[str]) -> list[str]:
        """The rolls that can have rows of this time: those that begin in it, and the two before.

        The last one before serves when it begins; the one before that goes on where its next was
        trained late.

        Args:
            there: Keys of finished rolls, sorted.

        Raises:
            CollectError: None has begun by its end.
        """
        before = [key for key in there if pd.Timestamp(key) <= self.start]
        within = [
            key
            for key in there
            if pd.Timestamp(key) > self.start and (self.end is None or pd.Timestamp(key) < self.end)
        ]
        if not before and not within:
            first = f", the first of them {there[0]}" if there else ""
            raise CollectError(
                f"no roll has begun by the end of this partition ({self.end}); there are "
                f"{len(there)} finished ones{first}: begin the partitions of your asset later"
            )
        return [*before[-2:], *within]

    def cut(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of this time: whole days, unless sessions are bars within days."""
        moments = pd.DatetimeIndex(frame.index.get_level_values("datetime"))
        start, end = self.start, self.end
        if (moments == moments.normalize()).all():
            start = start.normalize()
            end = None if end is None else end.ceil("D")
        inside = moments >= start
        if end is not None:
            inside &= moments < end
        return frame[inside]


def _partition_window(context: dg.InputContext) -> dg.TimeWindow | None:
    step = context.step_context
    if not (step.has_partition_key or step.has_partition_key_range):
        return None
    try:
        return step.partition_time_window
    except dg.DagsterInvariantViolationError:  # its partitions are no times
        return None


def _on_clock(moment: Any, zone: str | None) -> pd.Timestamp:
    """A moment on the clock of a zone, default its own."""
    stamp = pd.Timestamp(moment)
    if stamp.tzinfo is None:
        return stamp
    return (stamp.tz_convert(zone) if zone else stamp).tz_localize(None)


def _value(entry: Any) -> Any:
    return getattr(entry, "value", entry)
