"""What becomes of the predictions of strategies: one series of signals, each sent once."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from wf_dagster.collect import AverageEnsemble, MergeCollector
from wf_dagster.errors import CollectError
from wf_dagster.online import signal_revisions, signal_store
from wf_dagster.online.online_strategy import OnlineStrategy
from wf_dagster.online.signal_loss import refuse_loss
from wf_dagster.online.signal_revisions import FILE as REVISIONS

_log = logging.getLogger(__name__)
_OVER_WRITE = (
    "give the manager another name, OnlineManager(..., name=...), or make all signals anew with "
    "prepare_signals(over_write=True)"
)
PrepareFunc = Callable[[Any], Any] | None


class SignalPublisher:
    """Makes the signals of strategies and keeps them in an experiment.

    Args:
        strategies: Whose predictions they are made of; the list may grow.
        name: The experiment that keeps them; ``None`` when they are made elsewhere.
        signals: Those that were sent; ``None`` before any.
    """

    _over_writes = False  # whether signals that were sent were made anew on purpose

    def __init__(
        self, strategies: Sequence[OnlineStrategy], name: str | None, signals: Any = None
    ) -> None:
        self.name = name
        self.signals = signals
        self._strategies = strategies
        self._revisions: pd.DataFrame | None = None  # those that are still to be kept

    def find_sent(self) -> Any:
        """The signals that were sent, whichever manager has sent them; ``None`` without any.

        Raises:
            OnlineError: The experiment keeps those of other strategies.
        """
        if self.name is None:
            return None
        self.name = signal_store.choose_experiment(self.name, self._strategy_names())
        return signal_store.load_signals(self.name, self._strategy_names())

    def make(
        self, until: pd.Timestamp, first: pd.Timestamp | None, prepare_func: PrepareFunc = None
    ) -> Any:
        """Make signals and append them to those that were sent; the new ones.

        Args:
            until: The last session.
            first: The first session that is made; ``None`` makes all of them anew.
            prepare_func: Makes them of what was collected; default :class:`AverageEnsemble`. One
                with a true attribute ``by_day`` is given only the days that are new.

        Raises:
            CollectError: No model has predictions.
        """
        function = prepare_func or AverageEnsemble()
        since = first if getattr(function, "by_day", False) else None
        collected = signal_store.rows_since(self._collect_served(until, since), since)
        if not collected:
            if self.signals is None:
                raise CollectError("no model has predictions: train the first tasks")
            return self.signals.iloc[:0]
        new = function(collected)
        self.signals = signal_store.append_signals(self.signals, new, first)
        return new if first is None else new[signal_store.days_of(new) >= first]

    def make_last(
        self, until: pd.Timestamp, prepare_func: PrepareFunc = None, over_write: bool = False
    ) -> Any:
        """Make the signals of the last session again, and those after it; the new ones.

        Args:
            until: The last session.
            prepare_func: As for :meth:`make`.
            over_write: Make all of them.

        Raises:
            CollectError: No model has predictions.
        """
        first = None
        self._over_writes = over_write
        if self.signals is not None and not over_write:
            first = signal_store.days_of(self.signals).max()
        return self.make(until, first, prepare_func)

    def publish(
        self,
        until: pd.Timestamp,
        first: pd.Timestamp,
        prepare_func: PrepareFunc = None,
        over_write: bool = False,
    ) -> bool:
        """Make the signals of sessions that were worked through; whether they changed.

        Args:
            until: The last of them.
            first: The first of them.
            prepare_func: As for :meth:`make`.
            over_write: Make all signals anew, also those that were sent.
        """
        if self.name is None:
            return False
        before = self.signals
        self._over_writes = over_write
        late = {strategy.name_id: strategy.late_rows() for strategy in self._strategies}
        if before is None or over_write:
            since = None
        else:  # a session that was missed before, or whose signals were never sent
            since = min(first, signal_store.days_of(before).max() + pd.Timedelta(days=1))
            since = signal_revisions.first_to_make(before, since, late)
        try:
            if any(late.values()):
                self._revise(until, late, prepare_func)
            self.make(until, since, prepare_func)
        except CollectError as error:
            _log.warning("no signals at %s: %s", until.date(), error)
            return False
        return before is None or self._revisions is not None or not before.equals(self.signals)

    def _revise(
        self, until: pd.Timestamp, late: signal_revisions.LateNames, prepare_func: PrepareFunc
    ) -> None:
        """Add rows whose closes came late to signals that were sent."""
        assert self.name is not None
        revisions = signal_revisions.load_revisions(self.name)
        first = signal_revisions.first_unrevised(late, revisions)
        if first is None or self.signals is None:
            return
        function = prepare_func or AverageEnsemble()
        since = first if getattr(function, "by_day", False) else None
        collected = signal_store.rows_since(self._collect_served(until, since), since)
        if not collected:
            return
        self.signals, revised = signal_revisions.revise_signals(
            self.signals, function(collected), late, revisions
        )
        for _, row in revised.iterrows():
            _log.warning(
                "%s: the signals of %s, which were sent, have %d rows more: closes of %s came late",
                self.name,
                row["session"].date(),
                row["rows"],
                row["strategy"],
            )
        if len(revised):
            self._revisions = pd.concat([revisions, revised], ignore_index=True)

    def keep(self) -> None:
        """Put the signals into their experiment."""
        if self.name is not None:
            self.name = signal_store.choose_experiment(self.name, self._strategy_names())
            if not self._over_writes:
                refuse_loss(self.name, self._strategy_names(), self.signals, remedy=_OVER_WRITE)
            further = {} if self._revisions is None else {REVISIONS: self._revisions}
            signal_store.keep_signals(self.name, self.signals, self._strategy_names(), further)
            self._revisions = None

    def _collect_served(self, until: pd.Timestamp, since: pd.Timestamp | None) -> Any:
        """What models have predicted while they were online."""
        collectors = {s.name_id: s.get_served(until, since) for s in self._strategies}
        return MergeCollector(collectors)()

    def _strategy_names(self) -> list[str]:
        return [strategy.name_id for strategy in self._strategies]
