"""How much of a feature may be missing on the train segment."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from wf_dagster.calendars import to_day
from wf_dagster.data.value_notes import ValueNotes
from wf_dagster.errors import DataError, TaskError
from wf_dagster.log_once import warn_once

_log = logging.getLogger(__name__)

_MOSTLY = 0.9  # above which a feature is named, where no limit was given


def check_limit(max_missing: float | None) -> float | None:
    """A limit as it is.

    Raises:
        TaskError: It is no share.
    """
    is_number = isinstance(max_missing, (int, float)) and not isinstance(max_missing, bool)
    if max_missing is not None and not (is_number and 0 <= max_missing <= 1):
        raise TaskError(
            f"dataset.kwargs.max_missing is {max_missing!r}: it is a share from 0 to 1, such as 0.5"
        )
    return max_missing


def check_shares(
    notes: ValueNotes,
    columns: pd.MultiIndex,
    segment: str,
    ends: tuple[Any, Any],
    limit: float | None,
) -> None:
    """Make sure that no feature lacks more of its values than the limit.

    Without one nothing is refused, as a feature of rare events is rightly missing on most rows;
    what is missing on more than 90 % of them is named in the log.

    Args:
        notes: Those of the panel.
        columns: Its columns.
        segment: Name of the segment that is looked at.
        ends: Its first and its last day; ``None`` is open.
        limit: The share; ``None`` for none.

    Raises:
        DataError: One does; the message names the column, its share and the remedy.
    """
    first, last = (None if end is None else np.datetime64(to_day(end), "D") for end in ends)
    shares = notes.missing_shares(first, last)
    shares[columns.get_level_values(0) != "feature"] = np.nan
    if limit is None:
        shares[notes.empty] = np.nan
    allowed = _MOSTLY if limit is None else limit
    above = np.flatnonzero(shares > allowed)
    if len(above) == 0:
        return
    listed = ", ".join(f"{columns[n][1]} {100 * shares[n]:.3g} %" for n in above[:5])
    more = f" and {len(above) - 5} more" if len(above) > 5 else ""
    text = (
        f"segment {segment}: features are missing on more than {100 * allowed:.3g} % of the rows "
        f"on which they could have a value: {listed}{more}. Windows over days on which an "
        "instrument does not trade are empty"
    )
    if limit is not None:
        raise DataError(
            f"{text}: mend the feature or the prices, or raise dataset.kwargs.max_missing, the "
            "share that is allowed"
        )
    warn_once(_log, f"{text}; dataset.kwargs.max_missing, a share, refuses what lacks more")
