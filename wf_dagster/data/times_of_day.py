"""Whether prices, sessions and segments agree on what a session is: a day, or a bar of one."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import combinations
from typing import Any

from wf_dagster.calendars import split_segment
from wf_dagster.errors import DataError
from wf_dagster.log_once import warn_once
from wf_dagster.market import Market
from wf_dagster.moments import Moments, format_moment, is_midnight, to_day, to_stamp
from wf_dagster.tasks.segment_checks import ORDER

_log = logging.getLogger(__name__)


def check_times(prices: Moments, segments: Mapping[str, Any], market: Market) -> None:
    """Refuse bars among sessions that are days, and days among sessions that are bars.

    Of daily prices, times of day in segments mean nothing: the log says which are left out.

    Args:
        prices: The sessions with prices.
        segments: Those of a dataset.
        market: Of these prices.

    Raises:
        DataError: They do not agree.
    """
    if prices.are_bars:
        if not market.calendar.has_bars:
            raise DataError(
                f"the prices are bars within days, the last at {format_moment(prices.values[-1])}, "
                f"and the sessions of {market!r} are days: give it calendar='prices', so that "
                "segments, labels and annual figures count bars"
            )
        return
    timed = {
        name: stamp
        for name, segment in segments.items()
        for end in split_segment(segment)
        if end is not None and not is_midnight(stamp := to_stamp(end))
    }
    if not timed:
        return
    if market.calendar.has_bars:
        raise DataError(
            f"the sessions of {market!r} are bars within days, and its prices are daily: give it "
            "prices of bars, or calendar='prices'"
        )
    for before, after in combinations([name for name in ORDER if name in segments], 2):
        end, start = split_segment(segments[before])[1], split_segment(segments[after])[0]
        if end is not None and start is not None and to_day(end) >= to_day(start):
            raise DataError(
                f"segment {before} ends {format_moment(to_stamp(end))}, {after} starts "
                f"{format_moment(to_stamp(start))}, and prices are daily: both would hold that day"
            )
    name, stamp = next(iter(timed.items()))
    warn_once(
        _log,
        f"segment {name} has the time of day {format_moment(stamp)}, and prices are daily: whole "
        "days count",
    )
