"""Whether features look ahead, measured with the functions that compute them.

At a few dates features are computed again from prices that end there. A feature that looks back has
the same value at that date, whatever came later; one that has another value looks ahead.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, cast

import pandas as pd

from wf_dagster.data.feature_history import FeatureHistory, Function
from wf_dagster.data.panel import Panel, column_functions
from wf_dagster.errors import DataError
from wf_dagster.tables.cache import write_text

_SESSIONS_FIRST_TRIED = 260  # a year, so that features of a year are computed from few prices
_ENOUGH = 2  # dates at which a feature with a longer memory is computed from all earlier prices
_NAMES_SHOWN = 5

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FeatureCheck:
    """What was found at some dates.

    Attributes:
        dates: ISO dates at which features were computed again.
        looking_ahead: ISO date at which a feature first had another value, by its name.
        not_computed: Why features could not be computed from earlier prices alone, by date.
        names_before: ISO date of a column that is there with the prices up to it, by its name, and
            is not with all prices.
        names_after: ISO date of a column that has values then with all prices, by its name, and is
            not there with the prices up to it.
        unstable: ISO date at which a feature was mostly rounding, so that nothing can be said of
            it then, by its name.
    """

    dates: list[str]
    looking_ahead: dict[str, str] = field(default_factory=dict)
    not_computed: dict[str, str] = field(default_factory=dict)
    names_before: dict[str, str] = field(default_factory=dict)
    names_after: dict[str, str] = field(default_factory=dict)
    unstable: dict[str, str] = field(default_factory=dict)

    def raise_look_ahead(self) -> None:
        """Refuse features that look ahead.

        Raises:
            DataError: There are some; it names the first one and the date. Or their names change
                with later prices; it names them and the date.
        """
        if self.looking_ahead:
            column, date = min(self.looking_ahead.items(), key=lambda item: item[1])
            others = ", ".join(repr(name) for name in self.looking_ahead if name != column)
            raise DataError(
                f"feature {column!r} looks ahead: its value on {date} is another one when it is "
                "computed from the prices up to that day alone"
                + (f"; so do {others}" if others else "")
                + ". A feature may use prices up to its own session only: write shift(n) with "
                "n >= 0, and no mean, rank or fill over dates that come later"
            )
        if self.names_before or self.names_after:
            date = min([*self.names_before.values(), *self.names_after.values()])
            before, after = (
                [name for name, first in names.items() if first == date]
                for names in (self.names_before, self.names_after)
            )
            raise DataError(
                f"the names of features look ahead: computed from the prices up to {date} alone "
                f"{describe_names(before, after)}. A name may not depend on prices: write fixed "
                "bins, and a fixed list of categories"
            )


def describe_names(
    before: Sequence[str], after: Sequence[str], otherwise: str = "later prices"
) -> str:
    """Which columns there are, and which there are not, before later prices have come.

    Args:
        before: Those that are there.
        after: Those that are not.
        otherwise: With which prices it is the other way round.
    """
    parts = [f"there is {_name_some(before)}"] if before else []
    parts += [f"there is no {_name_some(after)}"] if after else []
    return " and ".join(parts) + f", with {otherwise} it is the other way round"


def _name_some(names: Sequence[str]) -> str:
    names_text = ", ".join(repr(name) for name in names[:_NAMES_SHOWN])
    return names_text + (
        f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    )


def check_features(panel: Panel, features: Any, folder: Path) -> FeatureCheck:
    """Compute features again at a few dates, unless that was done before.

    Args:
        panel: The features of all prices.
        features: The definition that they were computed with.
        folder: Where it is noted what was found.
    """
    note = folder / f"{panel.key}.features.json"
    check = _read(note)
    if check is None:
        check = _check(panel, features)
        write_text(note, json.dumps(asdict(check)))
        for date, reason in check.not_computed.items():
            _log.warning(
                "whether features look ahead is not known: they cannot be computed from the "
                "prices up to %s alone (%s)",
                date,
                reason,
            )
        for name, date in check.unstable.items():
            _log.warning(
                "whether feature %r looks ahead on %s is not known: prices that are a trillionth "
                "off change it as much as later prices do. A wrong price may leave nothing but "
                "rounding of it, or its values are random",
                name,
                date,
            )
    return check


def _read(note: Path) -> FeatureCheck | None:
    try:
        noted = json.loads(note.read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(noted, dict) or {*noted} != {f.name for f in fields(FeatureCheck)}:
        return None  # of an earlier form, which took rounding for look-ahead
    return FeatureCheck(**noted)


def _check(panel: Panel, features: Any) -> FeatureCheck:
    assert panel.source is not None
    whole = cast(pd.DataFrame, panel.slice(None, None)["feature"])
    history = FeatureHistory(panel.source, panel.universe, whole)
    dates = history.sample_dates()
    looking_ahead: dict[str, str] = {}
    functions = column_functions(features, "features") if dates else []
    for function in functions:
        _check_values(function, history, dates, looking_ahead)
    before: dict[str, str] = {}
    after: dict[str, str] = {}
    for date in dates:
        if history.columns_absent(date):  # fewer prices may give fewer columns
            for function in functions:
                history.find_differing(function, date)
        if date not in history.not_computed:
            for name in history.columns_unknown(date):
                before.setdefault(name, _iso(date))
            for name in history.columns_absent(date):
                after.setdefault(name, _iso(date))
    not_computed = {_iso(date): reason for date, reason in history.not_computed.items()}
    unstable = {name: _iso(date) for name, date in history.unstable.items()}
    return FeatureCheck([*map(_iso, dates)], looking_ahead, not_computed, before, after, unstable)


def _check_values(
    function: Function,
    history: FeatureHistory,
    dates: Sequence[pd.Timestamp],
    looking_ahead: dict[str, str],
) -> None:
    """Look at the features of one function; what is found is put into ``looking_ahead``."""
    passed: dict[str, int] = {}
    for date in dates:
        # what is the same without the distant past needs neither that nor the future
        doubtful = history.find_differing(function, date, _SESSIONS_FIRST_TRIED)
        if all(passed.get(column, 0) >= _ENOUGH for column in doubtful):
            continue
        ahead = history.find_differing(function, date)
        for column in ahead:
            looking_ahead.setdefault(column, _iso(date))
            passed[column] = _ENOUGH
        for column in doubtful - ahead:
            passed[column] = passed.get(column, 0) + 1


def _iso(date: pd.Timestamp) -> str:
    return f"{date:%Y-%m-%d}"
