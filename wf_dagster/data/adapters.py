"""Where a task's dataset is made, filled and warmed, its model fitted and its records made.

Users mix: a model of Qlib's on a dataset of their own, records of both. Whether something is Qlib's
is asked here, once for a task; what is made of the answer is an adapter.
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TYPE_CHECKING, Any, Protocol

from wf_dagster.errors import TaskError
from wf_dagster.market import Market, is_qlib_in_use
from wf_dagster.qlib_bridge.qlib_classes import is_qlib, names_qlib
from wf_dagster.qlib_bridge.session import qlib_config
from wf_dagster.tasks import find_class, modules_named, record_config
from wf_dagster.tasks.config import init_with_offered
from wf_dagster.tasks.late_labels import LateLabels

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

_OF_QLIB = ("qlib", "wf_dagster.qlib_bridge.adapter")

_log = logging.getLogger(__name__)


class DatasetAdapter(Protocol):
    """What is done with a task's parts, whoever's classes they are of."""

    @property
    def market(self) -> Market:
        """The market that the dataset stands on."""
        ...

    def prepare(self) -> None:
        """Make this process ready for the task, before its classes are imported.

        Raises:
            TaskError: The task needs a package that is not installed.
            SettingsError: The settings name data that are not there, or arguments that are wrong.
        """
        ...

    def make_dataset(self) -> Any:
        """The dataset of the task.

        Raises:
            TaskError: A class cannot be found or does not take the arguments.
            DataError: The data do not reach as far as the segments.
        """
        ...

    def reload(self, dataset: Any, moving: bool = False) -> None:
        """Read the data of a dataset that was loaded from a recorder, as the market has them now.

        Args:
            dataset: The dataset; its processors stay as they were fitted.
            moving: Its dates were set, and will be again as sessions pass.
        """
        ...

    def as_frames(self, dataset: Any) -> AbstractContextManager[Any]:
        """Inside the block a dataset that samples windows gives frames."""
        ...

    def check_features(self, dataset: Any) -> None:
        """Refuse features that look ahead, as far as the dataset lets them be known.

        Raises:
            DataError: One does.
        """
        ...

    def find_late_labels(self, dataset: Any) -> LateLabels | None:
        """Labels before the test segment that were not known when its first session had closed.

        Returns:
            ``None`` if there are none, or if the dataset does not let it be known.
        """
        ...

    def warm(self, tasks: Sequence[Mapping[str, Any]], spread: Any = None) -> float | None:
        """Compute what the datasets of tasks share; ``None`` if nothing is shared.

        Args:
            tasks: Rolls of one template, this adapter's task among them.
            spread: ``spread(function, items)`` calls a function for each of many items, in several
                processes; default this one does it all.

        Returns:
            The seconds it took.
        """
        ...

    def most_together(self, tasks: Sequence[Mapping[str, Any]]) -> int | None:
        """How many rolls may be in work at once so that they hold one copy of what they share.

        Args:
            tasks: Rolls of one template, this adapter's task among them.

        Returns:
            ``None`` where it is not known.
        """
        ...

    def fit(self, model: Any, dataset: Any, **arguments: Any) -> None:
        """Fit a model on a dataset; further arguments are those of its ``fit``."""
        ...

    def make_record(
        self,
        config: Any,
        recorder: Recorder,
        model: Any = None,
        dataset: Any = None,
        where: str = "record",
    ) -> Any:
        """The record of a configuration.

        Args:
            config: Its placeholders are filled.
            recorder: Where it keeps its results.
            model: Goes to a parameter ``model`` that the configuration does not give.
            dataset: The same, for ``dataset``.
            where: Path of the configuration in the task, for messages.
        """
        ...


def adapter_of(task: Mapping[str, Any], market: Market) -> DatasetAdapter:
    """What is to be done with the parts of a task, by whose classes they are of.

    Args:
        task: A task, or as much of one as there is: ``{"dataset": dataset}``.
        market: What a dataset stands on that names no prices of its own.

    Raises:
        TaskError: The task names something of Qlib's, which is not installed.
    """
    default = DefaultAdapter(task, market)
    # names first: a class is only imported when Qlib is ready, if the task has to do with Qlib
    if names_qlib(task) or is_qlib_in_use() or any(map(is_qlib, _classes(task))):
        qlib_config()  # or it says what is not installed
        from wf_dagster.qlib_bridge.adapter import QlibAdapter  # slow to import: Qlib comes along

        return QlibAdapter(task, market, default)
    return default


def worker_modules(task: Mapping[str, Any]) -> list[str]:
    """The modules that a process imports to train a task, by name: nothing is imported here."""
    return [*modules_named(task), *(_OF_QLIB if names_qlib(task) else ())]


class DefaultAdapter:
    """What is done with parts that are not Qlib's.

    Args:
        task: The task.
        market: As handed down.
    """

    def __init__(self, task: Mapping[str, Any], market: Market) -> None:
        self._task = task
        self._market = market

    @property
    def market(self) -> Market:
        """The market that was handed down, with the prices that the dataset names, if any."""
        dataset = self._task.get("dataset")
        kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
        return self._market.with_prices((kwargs or {}).get("prices"))

    def prepare(self) -> None:
        """Nothing has to be made ready."""

    def make_dataset(self) -> Any:
        """The dataset of the task, on the market, whether or not its constructor takes one."""
        config = self._task["dataset"]
        if isinstance(config, (str, Mapping)):
            dataset = init_with_offered(config, {"market": self._market}, where="dataset")
        else:
            dataset = copy.copy(config)  # a ready one stays as it is
        self._place_market(dataset)
        return dataset

    def reload(self, dataset: Any, moving: bool = False) -> None:
        """Read the prices as they are now."""
        self._place_market(dataset)
        dataset.setup_data()

    def _place_market(self, dataset: Any) -> None:
        own = getattr(dataset, "market", None)
        if isinstance(own, Market):
            keeps_own = self._market.is_default and not own.is_default
            dataset.market = own.at(self._market.as_of) if keeps_own else self._market
        elif self._market.as_of != Market().as_of:
            _log.warning(
                "%s stands on no market: the replay date %s hides none of its prices",
                type(dataset).__name__,
                f"{self._market.as_of:%Y-%m-%d}",
            )

    def as_frames(self, dataset: Any) -> AbstractContextManager[Any]:
        """It gives nothing else."""
        return nullcontext()

    def check_features(self, dataset: Any) -> None:
        """Measured with the functions that compute them, if the dataset can."""
        if hasattr(dataset, "check_features"):
            dataset.check_features().raise_look_ahead()

    def find_late_labels(self, dataset: Any) -> LateLabels | None:
        """Measured with the functions that compute them, if the dataset can."""
        if not hasattr(dataset, "find_late_labels"):
            return None
        late: LateLabels | None = dataset.find_late_labels()
        return late

    def warm(self, tasks: Sequence[Mapping[str, Any]], spread: Any = None) -> float | None:
        """Have the dataset compute its features, if it can."""
        started = time.perf_counter()
        dataset = self.make_dataset()
        if not hasattr(dataset, "warm"):
            return None
        dataset.warm()
        if hasattr(dataset, "check_features"):
            dataset.check_features()  # noted for the trainings, which refuse what looks ahead
        return time.perf_counter() - started

    def most_together(self, tasks: Sequence[Mapping[str, Any]]) -> int | None:
        """Not known."""
        return None

    def fit(self, model: Any, dataset: Any, **arguments: Any) -> None:
        """As the model does it."""
        model.fit(dataset, **arguments)

    def make_record(
        self,
        config: Any,
        recorder: Recorder,
        model: Any = None,
        dataset: Any = None,
        where: str = "record",
    ) -> Any:
        """The record; a class that has the parameter ``market`` is given it."""
        offered = {"model": model, "dataset": dataset, "market": self.market}
        return init_with_offered(config, offered, where=where, recorder=recorder)


def _classes(task: Mapping[str, Any]) -> Iterator[Any]:
    """The classes of a task's parts, as far as they can be found."""
    records = task.get("record") or []
    parts = [task.get("model"), task.get("dataset")]
    parts += [records] if isinstance(records, (Mapping, str)) else list(records)
    for part in parts:
        if not isinstance(part, (str, Mapping)):
            yield type(part)
            continue
        with suppress(TaskError):  # it will be said where the task is checked
            yield find_class(record_config(part, task))
