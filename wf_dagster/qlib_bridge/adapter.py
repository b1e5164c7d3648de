"""What is done with a task that has to do with Qlib: with Qlib's parts, and with the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from wf_dagster.qlib_bridge import datasets, look_ahead, memory_limit, session
from wf_dagster.qlib_bridge.handler_configs import dataset_freq
from wf_dagster.qlib_bridge.options import DAILY, freq_of, name_of
from wf_dagster.qlib_bridge.qlib_classes import is_qlib
from wf_dagster.qlib_engine.provider_files import is_intraday
from wf_dagster.tasks import find_class
from wf_dagster.tasks.config import init_with_offered
from wf_dagster.tasks.late_labels import LateLabels

if TYPE_CHECKING:
    from wf_dagster.data.adapters import DatasetAdapter
    from wf_dagster.market import Market
    from wf_dagster.tracking import Recorder


class QlibAdapter:
    """A task of which any part may be Qlib's.

    Args:
        task: The task.
        market: As handed down.
        default: What is done with parts that are not Qlib's.
    """

    def __init__(self, task: Mapping[str, Any], market: Market, default: DatasetAdapter) -> None:
        self._task = task
        self._market = market
        self._default = default

    @cached_property
    def _has_qlib_dataset(self) -> bool:
        """Looked up when it is first asked for: Qlib is initialised before a class is imported."""
        dataset = self._task["dataset"]
        if not isinstance(dataset, (str, Mapping)):
            return is_qlib(type(dataset))
        return is_qlib(find_class(dataset, where="dataset"))

    @property
    def market(self) -> Market:
        """With Qlib's prices, if the dataset is Qlib's."""
        return self._qlib_market if self._has_qlib_dataset else self._default.market

    @property
    def _qlib_market(self) -> Market:
        """Of the frequency that its sessions, or else the handler, are of."""
        freq = freq_of(self._market.calendar_name) or DAILY
        if freq == DAILY:
            freq = dataset_freq(self._task["dataset"])
        return self._market.with_prices(name_of(freq if is_intraday(freq) else DAILY))

    def prepare(self) -> None:
        """Initialise Qlib in this process."""
        session.ensure(self._market.qlib_options)

    def make_dataset(self) -> Any:
        """The dataset, its raw data from the cache where it is Qlib's and that is possible."""
        if self._has_qlib_dataset:
            return datasets.make_dataset(self._task["dataset"], self._qlib_market)
        return self._default.make_dataset()

    def reload(self, dataset: Any, moving: bool = False) -> None:
        """Read the data of a dataset that was loaded from a recorder."""
        if is_qlib(type(dataset)):
            self.prepare()  # a process that has never trained only knows the class
            datasets.reload(dataset, self._qlib_market, moving)
        else:
            self._default.reload(dataset, moving)

    def as_frames(self, dataset: Any) -> AbstractContextManager[Any]:
        """Inside the block a dataset that samples windows is one that does not, as Qlib has it."""
        if is_qlib(type(dataset)):
            return datasets.as_frames(dataset)
        return self._default.as_frames(dataset)

    def check_features(self, dataset: Any) -> None:
        """By the expressions of Qlib's handler, or as the dataset itself measures it."""
        if self._has_qlib_dataset:
            look_ahead.check_features(dataset)
        else:
            self._default.check_features(dataset)

    def find_late_labels(self, dataset: Any) -> LateLabels | None:
        """By the expressions of Qlib's handler, or as the dataset itself measures it."""
        if self._has_qlib_dataset:
            return look_ahead.find_late_labels(dataset, self._qlib_market.as_of)
        return self._default.find_late_labels(dataset)

    def warm(self, tasks: Sequence[Mapping[str, Any]], spread: Any = None) -> float | None:
        """Compute what the datasets of tasks share."""
        self.prepare()
        if self._has_qlib_dataset:
            return datasets.warm([task["dataset"] for task in tasks], self._qlib_market, spread)
        return self._default.warm(tasks, spread)

    def most_together(self, tasks: Sequence[Mapping[str, Any]]) -> int | None:
        """How many rolls may be in work at once so that they hold one copy of what they share."""
        self.prepare()
        if self._has_qlib_dataset:
            return memory_limit.most_together([task["dataset"] for task in tasks])
        return self._default.most_together(tasks)

    def fit(self, model: Any, dataset: Any, **arguments: Any) -> None:
        """Fit a model; one of Qlib's without copies of data that it does not need."""
        if is_qlib(type(model)):
            from wf_dagster.qlib_bridge import model_fit  # slow to import: all of Qlib's models

            model_fit.fit(model, dataset, **arguments)
        else:
            self._default.fit(model, dataset, **arguments)

    def make_record(
        self,
        config: Any,
        recorder: Recorder,
        model: Any = None,
        dataset: Any = None,
        where: str = "record",
    ) -> Any:
        """The record; one of Qlib's takes our recorder, which is one of Qlib's too."""
        offered = {"model": model, "dataset": dataset, "market": self.market}
        return init_with_offered(config, offered, where=where, recorder=recorder)
