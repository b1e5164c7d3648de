"""Qlib's expressions, computed for many instruments at once: the values are Qlib's, to the bit.

Qlib computes each expression for one instrument after the other, and most of that time goes into
pandas objects for a few hundred numbers each. Here the instruments lie end to end in one vector;
windows end where the next instrument begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pandas as pd
from qlib.data.data import (
    Cal,
    DatasetD,
    ExpressionD,
    LocalDatasetProvider,
    LocalExpressionProvider,
)

from wf_dagster.interop.batch import Batch, Recorded, UnlikeError, Values
from wf_dagster.interop.operators import computed_from_parts

_LEAF = re.compile(r"(?<!\$)\$(\w+)")


def is_local() -> bool:
    """Whether Qlib computes expressions itself, on a calendar, and keeps no files of them."""
    expressions, datasets = ExpressionD._provider, DatasetD._provider
    return (
        type(expressions) is LocalExpressionProvider
        and type(datasets) is LocalDatasetProvider
        and expressions.time2idx
        and datasets.align_time
    )


def features(
    instruments: Mapping[str, Any] | Sequence[str],
    fields: Sequence[Any],
    start: Any,
    end: Any,
    freq: str,
) -> pd.DataFrame | None:
    """What ``D.features`` gives, sorted by ``(datetime, instrument)``.

    Args:
        instruments: Names, or names with the spans in which they belong to the list.
        fields: Expressions.
        start: First date.
        end: Last date.
        freq: Frequency of the data.

    Returns:
        The frame, all values ``float32``; ``None`` where Qlib has to compute it: there are no
        rows, or rows that only some of the fields have.
    """
    calendar = Cal.calendar(start, end, freq)
    leaves = sorted({name for one in fields for name in _LEAF.findall(str(one))})
    if not len(calendar) or not leaves:
        return None
    asked = _Asked(calendar[0], calendar[-1], freq)
    groups: dict[tuple[int, int], list[int]] = {}
    roots = [ExpressionD.get_expression_instance(str(one)) for one in fields]
    for number, root in enumerate(roots):
        groups.setdefault(asked.reach(root), []).append(number)
    widest = min(begin for begin, _ in groups), max(stop for _, stop in groups)
    recorded = Recorded(sorted(set(instruments)), freq, leaves, widest)
    rows = _Rows(recorded, asked, instruments)
    if not len(rows.index):
        return None
    table = np.empty((len(rows.index), len(roots)), dtype=np.float32, order="F")
    try:
        for (begin, stop), numbers in groups.items():
            batch = Batch(recorded, begin, stop, computed_from_parts)
            places = rows.places(batch)
            for number in numbers:
                try:
                    values = batch.values(roots[number])
                except (UnlikeError, TypeError, ValueError):  # what is wrong, Qlib says
                    table[:, number] = rows.by_qlib(fields[number])
                else:
                    table[:, number] = values.astype(np.float32)[places]
    except UnlikeError:
        return None
    return pd.DataFrame(table, index=rows.index, columns=[str(one) for one in fields], copy=False)


class _Asked:
    """The dates that are asked for, as places in the calendar."""

    def __init__(self, start: Any, end: Any, freq: str) -> None:
        self.start, self.end, self.freq = start, end, freq
        found = Cal.locate_index(start, end, freq=freq, future=False)
        self.first, self.last = int(found[2]), int(found[3])

    def reach(self, root: Any) -> tuple[int, int]:
        """The first and the last place that an expression needs."""
        before, after = root.get_extended_window_size()
        return max(0, self.first - before), self.last + after


class _Rows:
    """The rows to give: of all instruments, sorted by date, inside their spans."""

    def __init__(self, recorded: Recorded, asked: _Asked, instruments: Any) -> None:
        self._recorded, self._asked = recorded, asked
        calendar = pd.DatetimeIndex(Cal.calendar(freq=asked.freq))
        who = np.repeat(np.arange(len(recorded.names)), recorded.lengths)
        before = np.cumsum(recorded.lengths) - recorded.lengths
        days = np.arange(len(who)) - (before - recorded.first)[who]
        kept = (days >= asked.first) & (days <= asked.last)
        for number, name in enumerate(recorded.names):
            spans = instruments[name] if isinstance(instruments, Mapping) else None
            if spans is not None:
                mine = np.flatnonzero(kept & (who == number))
                kept[mine] = _inside(calendar[days[mine]], spans)
        self._everyone, self._every_day = who, days
        who, days = who[kept], days[kept]
        order = np.lexsort((who, days))
        self._who, self._days = who[order], days[order]
        known, codes = np.unique(self._days, return_inverse=True)
        there, whose = np.unique(self._who, return_inverse=True)
        levels: list[Any] = [calendar[known], [recorded.names[number] for number in there]]
        places: list[Any] = [codes, whose]
        self.index = pd.MultiIndex(levels, places, names=["datetime", "instrument"])

    def places(self, batch: Batch) -> Values:
        """Where a batch has these rows."""
        return cast(Values, batch.offsets[self._who] + self._days - batch.starts[self._who])

    def by_qlib(self, field: Any) -> Values:
        """The values of an expression, as Qlib aligns them.

        Raises:
            UnlikeError: There are rows beside these.
        """
        made = np.full(len(self._who), np.nan, dtype=np.float32)
        for number, name in enumerate(self._recorded.names):
            series = ExpressionD.expression(
                name, str(field), self._asked.start, self._asked.end, self._asked.freq
            )
            known = self._every_day[self._everyone == number]
            if not series.index.isin(known).all():
                raise UnlikeError
            mine = np.flatnonzero(self._who == number)
            made[mine] = series.reindex(self._days[mine]).to_numpy()
        return made


def _inside(dates: pd.DatetimeIndex, spans: Sequence[Any]) -> Values:
    kept = np.zeros(len(dates), dtype=bool)
    for begin, stop in spans:
        kept |= np.asarray((dates >= begin) & (dates <= stop))
    return kept
