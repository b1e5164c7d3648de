"""Qlib's expressions, computed for many instruments at once: the values are Qlib's, to the bit.

Qlib computes each expression for one instrument after the other, and most of that time goes into
pandas objects for a few hundred numbers each. Here the instruments lie end to end in one vector;
windows end where the next instrument begins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
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
from qlib.utils import remove_fields_space

from wf_dagster.qlib_engine.batch import Batch, Recorded, UnlikeError, Values
from wf_dagster.qlib_engine.operators import compute_from_parts

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


def compute_features(
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
    texts = [remove_fields_space(str(field)) for field in fields]  # as Qlib reads them
    leaves = sorted({name for text in texts for name in _LEAF.findall(text)})
    if not len(calendar) or not leaves:
        return None
    request = _Request(calendar[0], calendar[-1], freq)
    groups: dict[tuple[int, int], list[int]] = {}
    roots = [ExpressionD.get_expression_instance(text) for text in texts]
    for number, root in enumerate(roots):
        groups.setdefault(request.reach(root), []).append(number)
    widest = min(begin for begin, _ in groups), max(stop for _, stop in groups)
    recorded = Recorded(sorted(set(instruments)), freq, leaves, widest)
    rows = _Rows(recorded, request, instruments)
    if not len(rows.index):
        return None
    table = np.empty((len(rows.index), len(roots)), dtype=np.float32, order="F")
    left = 0
    try:
        for (begin, stop), numbers in groups.items():
            batch = Batch(recorded, begin, stop, compute_from_parts)
            places = rows.places(batch)
            for number in numbers:
                try:
                    table[:, number] = _as_float32(batch.values(roots[number]))[places]
                except (UnlikeError, TypeError, ValueError):  # what is wrong, Qlib says
                    table[:, number] = rows.by_qlib(texts[number])
                    left += 1
    except UnlikeError:
        return None
    if left == len(roots):  # whether any of them has all these rows is not known
        return None
    return pd.DataFrame(
        table, index=rows.index, columns=[str(field) for field in fields], copy=False
    )


def _as_float32(values: Values) -> Values:
    if values.dtype.kind not in "fbiu":
        raise UnlikeError
    return values.astype(np.float32)


class _Request:
    """The dates between which values are wanted, as places in the calendar."""

    def __init__(self, start: Any, end: Any, freq: str) -> None:
        self.start, self.end, self.freq = start, end, freq
        _, _, first, last = Cal.locate_index(start, end, freq=freq, future=False)
        self.first, self.last = int(first), int(last)

    def reach(self, root: Any) -> tuple[int, int]:
        """The first and the last place that an expression needs."""
        before, after = root.get_extended_window_size()
        return max(0, self.first - before), self.last + after


class _Rows:
    """The rows to give: of all instruments, sorted by date, inside their spans."""

    def __init__(self, recorded: Recorded, request: _Request, instruments: Any) -> None:
        self._recorded, self._request = recorded, request
        calendar = pd.DatetimeIndex(Cal.calendar(freq=request.freq))
        self._offsets = np.concatenate([[0], np.cumsum(recorded.lengths)])
        who = np.repeat(np.arange(len(recorded.names)), recorded.lengths)
        days = np.arange(len(who)) + (recorded.first - self._offsets[:-1])[who]
        wanted = (days >= request.first) & (days <= request.last)
        if isinstance(instruments, Mapping):
            parts = zip(recorded.names, pairwise(self._offsets), strict=True)
            for name, (start, stop) in parts:
                if instruments[name] is not None:
                    dates = calendar[np.minimum(days[start:stop], len(calendar) - 1)]
                    wanted[start:stop] &= _is_inside(dates, instruments[name])
        self._places = np.flatnonzero(wanted)
        self._places = self._places[np.lexsort((who[wanted], days[wanted]))]
        self._who, self._days = who[self._places], days[self._places]
        each_day, day_codes = np.unique(self._days, return_inverse=True)
        each_name, name_codes = np.unique(self._who, return_inverse=True)
        levels: list[Any] = [calendar[each_day], [recorded.names[number] for number in each_name]]
        codes: list[Any] = [day_codes, name_codes]
        self.index = pd.MultiIndex(levels, codes, names=["datetime", "instrument"])

    def places(self, batch: Batch) -> Values:
        """Where a batch has these rows."""
        return cast(Values, batch.offsets[self._who] + self._days - batch.starts[self._who])

    def by_qlib(self, text: str) -> Values:
        """The values of an expression, as Qlib aligns them.

        Raises:
            UnlikeError: There are rows beside these, or the values are no numbers.
        """
        values = np.full(self._offsets[-1], np.nan, dtype=np.float32)
        request, recorded = self._request, self._recorded
        parts = zip(recorded.names, recorded.first, pairwise(self._offsets), strict=True)
        for name, first, (start, stop) in parts:
            series = ExpressionD.expression(name, text, request.start, request.end, request.freq)
            if not len(series):
                continue
            places = series.index.to_numpy() - first + start
            if series.dtype != np.float32 or places.min() < start or places.max() >= stop:
                raise UnlikeError
            values[places] = series.to_numpy()
        return values[self._places]


def _is_inside(dates: pd.DatetimeIndex, spans: Sequence[Any]) -> Values:
    inside = np.zeros(len(dates), dtype=bool)
    for begin, stop in spans:
        inside |= np.asarray((dates >= begin) & (dates <= stop))
    return inside
