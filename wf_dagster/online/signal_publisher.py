"""What an online manager makes of predictions: one series of signals, each sent once."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pandas as pd

from wf_dagster.collect import AverageEnsemble, MergeCollector
from wf_dagster.errors import CollectError
from wf_dagster.online import signal_store as sent
from wf_dagster.online.strategy import OnlineStrategy, RollingStrategy

_log = logging.getLogger(__name__)


class SignalSender:
    """The part of an :class:`OnlineManager` that makes signals and keeps them.

    Attributes:
        strategies: Whose predictions they are made of.
        name: The experiment that keeps them; ``None`` when they are made elsewhere.
        signals: All that were sent; ``None`` before any.
        cur_time: The last session that was worked through.
        status: They are kept while it is ``online``.
    """

    STATUS_SIMULATING = "simulating"
    STATUS_ONLINE = "online"

    strategies: list[OnlineStrategy]
    name: str | None
    signals: Any
    cur_time: pd.Timestamp
    status: str

    def get_collector(self, **kwargs: Any) -> MergeCollector:
        """Collects the predictions of all strategies.

        Args:
            **kwargs: Arguments of the strategies' ``get_collector``.
        """
        collectors = {s.name_id: s.get_collector(**kwargs) for s in self.strategies}
        return MergeCollector(collectors)

    def prepare_signals(
        self, prepare_func: Callable[[Any], Any] | None = None, over_write: bool = False
    ) -> Any:
        """Make the signals up to the current session.

        Args:
            prepare_func: Makes them of what :meth:`get_collector` collects; default
                :class:`AverageEnsemble`. One with a true attribute ``by_day`` is given only the
                days that are new.
            over_write: Make all of them anew. Otherwise those of earlier sessions stay as they
                were sent, and only the last one is made again.

        Returns:
            The new signals.

        Raises:
            CollectError: No model has predictions.
        """
        first = None
        if self.signals is not None and not over_write:
            first = sent.days_of(self.signals).max()
        made = self._prepare(first, prepare_func)
        self._keep()
        return made

    def get_signals(self) -> Any:
        """The signals: rows ``(datetime, instrument)``, sorted, each once; ``None`` before any."""
        return self.signals

    def _recall(self) -> None:
        """Go on from the signals that were sent, whichever manager has sent them."""
        if self.name is None or self.status == self.STATUS_SIMULATING:
            return
        self.name = sent.place_of(self.name, self._names())
        kept = sent.kept_signals(self.name, self._names())
        if kept is not None and self._has_begun():
            self.signals = kept

    def _send(
        self,
        first: pd.Timestamp,
        prepare_func: Callable[[Any], Any] | None = None,
        over_write: bool = False,
    ) -> None:
        if self.name is None:
            return
        before = self.signals
        if before is None or over_write:
            start = None
        else:  # a session that was missed before, or whose signals were never sent
            start = min(first, sent.days_of(before).max() + pd.Timedelta(days=1))
        try:
            self._prepare(start, prepare_func)
        except CollectError as error:
            _log.warning("no signals at %s: %s", self.cur_time.date(), error)
            return
        if before is None or not before.equals(self.signals):
            self._keep()

    def _prepare(self, first: pd.Timestamp | None, prepare_func: Any) -> Any:
        function = prepare_func or AverageEnsemble()
        since = first if getattr(function, "by_day", False) else None
        collected = sent.since(self._served(since)(), since)
        if not collected:
            if self.signals is None:
                raise CollectError("no model has predictions: train the first tasks")
            return self.signals.iloc[:0]
        new = function(collected)
        self.signals = sent.appended(self.signals, new, first)
        return new if first is None else new[sent.days_of(new) >= first]

    def _keep(self) -> None:
        if self.name is not None and self.status == self.STATUS_ONLINE:
            self.name = sent.place_of(self.name, self._names())
            sent.keep_signals(self.name, self.signals, self._names())

    def _served(self, since: pd.Timestamp | None) -> MergeCollector:
        """Collects what models have predicted while they were online."""
        return MergeCollector(
            {
                strategy.name_id: strategy.get_served(self.cur_time, since)
                if isinstance(strategy, RollingStrategy)
                else strategy.get_collector()
                for strategy in self.strategies
            }
        )

    def _names(self) -> list[str]:
        return [strategy.name_id for strategy in self.strategies]

    def _has_begun(self) -> bool:
        """Whether a strategy has been online."""
        raise NotImplementedError  # the manager knows
