"""Whether the handlers of Qlib's datasets look ahead, as far as their expressions tell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pandas as pd
from qlib.data import D
from qlib.data.data import ExpressionD
from qlib.data.dataset.loader import QlibDataLoader

from wf_dagster.errors import CalendarError, DataError
from wf_dagster.moments import Moments, format_moment
from wf_dagster.qlib_engine.expression_reach import count_open, find_parts, is_standard
from wf_dagster.qlib_engine.replay_mask import columns_looking_ahead, last_moment
from wf_dagster.tasks.late_labels import LateLabels, segments_before_test

_FEATURE, _LABEL = "feature", "label"
_log = logging.getLogger(__name__)


def check_features(dataset: Any) -> None:
    """Refuse a handler whose features look ahead.

    Raises:
        DataError: An expression reads later prices; it names the column, and from when on.
    """
    loader = _find_loader(dataset)
    if loader is None:
        return
    for columns, ahead, _ in columns_looking_ahead(loader):
        for group, name in columns:
            if group == _FEATURE:
                starts = dataset.handler.start_time
                since = "its first session" if starts is None else f"{pd.Timestamp(starts).date()}"
                raise DataError(
                    f"feature {name!r} looks {ahead} sessions ahead, from {since} on: its "
                    f"expression is {_expression_of(loader, name)!r}. A feature may use prices up "
                    "to its own session only: write Ref(x, n) with n >= 0"
                )
    for columns, sessions, _ in columns_looking_ahead(loader, count_open):
        if empty := [name for group, name in columns if group == _FEATURE]:
            _log.warning(
                "features %s are empty in the last %d sessions of the data, those that are "
                "predicted online, though they need no later price: write the shifts of %r as "
                "one Ref",
                empty,
                sessions,
                _expression_of(loader, empty[0]),
            )
    expressions = loader.fields[_FEATURE][0] if _FEATURE in loader.fields else ()
    own = sorted({name for text in expressions for name in _own_operators(str(text))})
    if own:
        _log.warning(
            "whether features look ahead is known of Qlib's standard operators only: of %s what "
            "get_extended_window_size says is believed",
            ", ".join(own),
        )


def find_late_labels(dataset: Any, as_of: pd.Timestamp | None) -> LateLabels | None:
    """The labels before the test segment that were not known when its first session had closed.

    Args:
        dataset: One of Qlib's.
        as_of: Replay date: labels that are known later are not there.

    Returns:
        ``None`` if there are none, or where the dataset does not tell.
    """
    loader = _find_loader(dataset)
    try:
        parts = segments_before_test(getattr(dataset, "segments", None) or {})
    except CalendarError:  # segments of another form, which a dataset of one's own may have
        return None
    if loader is None or parts is None:
        return None
    reaches = [
        (ahead, freq)
        for columns, ahead, freq in columns_looking_ahead(loader)
        if any(group == _LABEL for group, _ in columns)
    ]
    ahead, freq = max(reaches, default=(0, "day"))
    before, test_start = parts
    sessions = pd.DatetimeIndex(D.calendar(end_time=last_moment(as_of), freq=freq))
    moments = Moments.of(sessions)
    opening = moments.position(test_start)
    late: dict[int, str] = {}  # places of sessions, and the segment
    checked = 0
    for segment, (start, end) in before.items():
        rows = moments.range(start, end)
        places = range(rows.start, min(rows.stop, len(sessions) - ahead))
        checked += len(places)
        late |= {place: segment for place in places[-ahead:] if place + ahead > opening}
    if not late or not ahead:
        return None
    first = min(late)
    return LateLabels(
        segment=late[first],
        row=format_moment(sessions[first]),
        known_on=sessions[first + ahead],
        test_open=sessions[opening],
        late=len(late),
        checked=checked,
        trunc_days=ahead,
        counted="sessions",
    )


def _find_loader(dataset: Any) -> Any:
    """The loader of a dataset's handler, if it says what its columns are computed from."""
    loader = getattr(getattr(dataset, "handler", None), "data_loader", None)
    return loader if isinstance(loader, QlibDataLoader) and loader.is_group else None


def _expression_of(loader: Any, name: Any) -> str:
    expressions, names = loader.fields[_FEATURE]
    return str(dict(zip(names, expressions, strict=True))[name])


def _own_operators(text: str) -> Iterator[str]:
    """The operators of an expression that Qlib does not register itself."""
    waiting: list[Any] = [ExpressionD.get_expression_instance(text)]
    while waiting:
        expression = waiting.pop()
        if not is_standard(expression):
            yield type(expression).__name__
        waiting += find_parts(expression)
