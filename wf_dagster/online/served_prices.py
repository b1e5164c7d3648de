"""What the prices were when a strategy served: enough to tell later which of them have changed.

Kept is a digest of the closes of each recent session, and one of each month before: a few
kilobytes, however long the history. Of the latest sessions it is also known which instruments had
no close yet, so that closes which came late are told from closes that were changed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import pandas as pd
from typing_extensions import Self

from wf_dagster.errors import BrokenObjectError
from wf_dagster.market import Market
from wf_dagster.online.ledger import OnlineLedger
from wf_dagster.prices.close_digests import digest_closes
from wf_dagster.prices.coverage import LOOK_BACK

FILE = "served_prices.json"
RECENT = 20  # sessions whose rows are completed when closes come late
_SINGLE = 250  # sessions with a digest each; those before have one a month
_RESTATEMENTS = 50
_DAY = "%Y-%m-%d"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PricesNow:
    """The closes of one market or several as they are now.

    Attributes:
        digests: Of each session (uint64).
        closes: Of the latest sessions: rows ``(datetime, instrument)``, none missing.
    """

    digests: pd.Series[Any]
    closes: pd.Series[Any]

    @classmethod
    def read(cls, markets: Iterable[Market]) -> Self:
        """Read them."""
        digests: dict[pd.Timestamp, int] = {}
        closes = []
        for source in [market.prices for market in dict.fromkeys(markets)]:
            first = source.sessions()[-RECENT - LOOK_BACK :][0]
            if hasattr(source, "close_digests") and hasattr(source, "closes"):
                of_source, recent = source.close_digests(), source.closes(first)
            else:  # one of the user's own
                prices = source.load()
                of_source = digest_closes(prices)
                column = prices["close"] if "close" in prices.columns else prices.iloc[:, 0]
                recent = column[column.index.get_level_values("datetime") >= first].dropna()
            closes.append(recent)
            for day, digest in zip(of_source.index, of_source.tolist(), strict=True):
                digests[day] = (digests.get(day, 0) + digest) % (1 << 64)
        days = sorted(digests)
        whole = pd.concat(closes).sort_index() if len(closes) > 1 else closes[0]
        return cls(
            pd.Series([digests[d] for d in days], pd.DatetimeIndex(days), dtype="uint64"), whole
        )

    @property
    def recent(self) -> pd.DatetimeIndex:
        """The latest sessions."""
        return pd.DatetimeIndex(self.digests.index[-RECENT:])

    def awaited(self) -> dict[str, list[str]]:
        """Instruments without a close on one of the latest sessions that had one shortly before."""
        has_close = self.closes[~self.closes.index.duplicated()].notna().unstack(fill_value=False)
        before = has_close.astype("int8").shift(1).rolling(LOOK_BACK, min_periods=1).max() > 0
        lacking = (before & ~has_close).loc[has_close.index.isin(self.recent)]
        return {
            f"{day:{_DAY}}": [str(name) for name in lacking.columns[row]]
            for day, row in zip(lacking.index, lacking.to_numpy(dtype=bool), strict=True)
            if row.any()
        }


@dataclass(frozen=True)
class Restatement:
    """Closes of sessions that were there before have changed.

    Attributes:
        session: ISO date of the session at which it was noticed.
        sessions: How many sessions changed; of those with one digest a month, all of the month.
        first: ISO date of the first of them.
        last: ISO date of the last of them.
    """

    session: str
    sessions: int
    first: str
    last: str

    @classmethod
    def of(cls, session: str, changed: pd.DatetimeIndex) -> Self:
        """Of the sessions that changed; there is at least one."""
        return cls(session, len(changed), f"{changed[0]:{_DAY}}", f"{changed[-1]:{_DAY}}")


@dataclass(frozen=True)
class ServedPrices:
    """The closes that a strategy served with, by ISO date.

    Attributes:
        sessions: Digests of the latest sessions.
        months: Digests of the months before them, each the sum over its sessions (modulo 2^64).
        awaited: Instruments that had no close yet on one of the latest sessions.
        late: Instruments whose rows were added to predictions of a session when their closes came,
            in the order in which they were added.
        restatements: What changed of the past; the latest last.
    """

    sessions: Mapping[str, int] = field(default_factory=dict)
    months: Mapping[str, int] = field(default_factory=dict)
    awaited: Mapping[str, Sequence[str]] = field(default_factory=dict)
    late: Mapping[str, Sequence[str]] = field(default_factory=dict)
    restatements: tuple[Restatement, ...] = ()

    def changed(self, now: PricesNow) -> pd.DatetimeIndex:
        """The sessions whose closes are others now, up to the last that was served.

        What lies before the first session that there is now, or in its month, is not compared.
        """
        if not self.sessions:
            return now.recent[:0]
        first, last = min(self.sessions), max(self.sessions)
        days = [f"{day:{_DAY}}" for day in now.digests.index]
        start = days[0]  # of prices that drop their oldest day for each new one, that is no change
        digests = dict(zip(days, now.digests.tolist(), strict=True))
        months = _sum_by_month({day: digest for day, digest in digests.items() if day < first})
        other = {
            month
            for month in self.months
            if month > start[:7] and months.get(month) != self.months[month]
        }
        changed = [day for day in days if day < first and day[:7] in other]
        changed += [d for d in days if first <= d <= last and digests[d] != self.sessions.get(d)]
        changed += [day for day in self.sessions if day > start and day not in digests]
        return pd.DatetimeIndex(sorted(changed))

    def restated(self, now: PricesNow) -> pd.DatetimeIndex:
        """The sessions whose closes were changed, and did not only come late."""
        changed = self.changed(now)
        return pd.DatetimeIndex([day for day in changed if not self._only_came_late(day, now)])

    def _only_came_late(self, day: pd.Timestamp, now: PricesNow) -> bool:
        key = f"{day:{_DAY}}"
        if key not in self.sessions:
            return day in now.recent  # the whole session
        closes = now.closes[now.closes.index.get_level_values("datetime") == day]
        names = closes.index.get_level_values("instrument").astype(str)
        before = closes[~names.isin(list(self.awaited.get(key, ())))]
        if len(before) == len(closes) or before.empty:
            return False
        digest = int(digest_closes(before.rename("close").to_frame()).iloc[0])
        return digest == self.sessions[key]

    def with_late(self, rows: pd.MultiIndex) -> Self:
        """With rows whose closes came late."""
        late = {day: list(names) for day, names in self.late.items()}
        for day, name in rows:
            names = late.setdefault(f"{day:{_DAY}}", [])
            names += [] if str(name) in names else [str(name)]
        return replace(self, late=late)

    def at_session(self, session: str, now: PricesNow) -> Self:
        """What is kept once a session was worked through."""
        restatements = self.restatements
        changed = self.restated(now)
        if len(changed) > 1:
            noticed = Restatement.of(session, changed)
            restatements = (*restatements, noticed)[-_RESTATEMENTS:]
            _log.warning(
                "closes of %d sessions from %s to %s have changed since they were served: what "
                "was sent stays as it was sent",
                noticed.sessions,
                noticed.first,
                noticed.last,
            )
        days = [f"{day:{_DAY}}" for day in now.digests.index]
        digests = dict(zip(days, now.digests.tolist(), strict=True))
        first = f"{now.recent[0]:{_DAY}}"
        return replace(
            self,
            sessions={day: digests[day] for day in days[-_SINGLE:]},
            months=_sum_by_month({day: digests[day] for day in days[:-_SINGLE]}),
            awaited=now.awaited(),
            late={day: names for day, names in self.late.items() if day >= first},
            restatements=restatements,
        )

    def to_json(self) -> str:
        """The text that is kept."""
        return json.dumps(asdict(self))


def read_served(ledger: OnlineLedger) -> ServedPrices | None:
    """What a strategy served with; ``None`` when that was never kept.

    Raises:
        BrokenObjectError: What was kept cannot be read.
    """
    text = ledger.read_note(FILE)
    if text is None:
        return None
    try:
        values = json.loads(text)
        restatements = tuple(Restatement(**each) for each in values.pop("restatements"))
        return ServedPrices(**values, restatements=restatements)
    except (KeyError, TypeError, ValueError) as error:
        raise BrokenObjectError(
            f"{FILE} of the recorder `online` of experiment {ledger.experiment_name!r} says "
            f"nothing of prices: {error}; delete that file to start anew"
        ) from None


def late_names(ledger: OnlineLedger) -> Mapping[str, Sequence[str]]:
    """Instruments whose rows were added to a session that was served, by ISO date."""
    served = read_served(ledger)
    return {} if served is None else served.late


def keep_served(ledger: OnlineLedger, served: ServedPrices) -> None:
    """Keep what a strategy serves with."""
    ledger.write_note(FILE, served.to_json())


def _sum_by_month(digests: Mapping[str, int]) -> dict[str, int]:
    months: dict[str, int] = {}
    for day, digest in digests.items():
        months[day[:7]] = (months.get(day[:7], 0) + digest) % (1 << 64)
    return months
