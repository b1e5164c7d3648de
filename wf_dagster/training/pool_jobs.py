"""Which tasks of a pool are worked on, and how a task of a pool becomes a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wf_dagster.errors import PoolInputError, TaskError
from wf_dagster.market import Market
from wf_dagster.pool import TaskManager
from wf_dagster.pool.states import FETCHABLE, check_status
from wf_dagster.tasks import AS_OF, Task
from wf_dagster.tasks.schema import MARKET
from wf_dagster.training.roll_jobs import JobKind, RollJob
from wf_dagster.training.task_market import take_market


def carry_market(task: Mapping[str, Any], market: Market | None) -> Task:
    """A task as a pool keeps it: with what workers elsewhere do not know of its market.

    That is the replay date, and the market itself where it is not that of the settings.

    Args:
        task: The task, which carries no market.
        market: Its market; ``None`` is that of the settings.
    """
    market = market or Market()
    as_of = market.as_of
    carried: Task = dict(task)
    if as_of is not None:
        carried[AS_OF] = f"{as_of:%Y-%m-%d}"
    if not market.is_default:
        carried[MARKET] = market.without_as_of()  # the same, wherever its date comes from
    return carried


@dataclass(frozen=True)
class PoolJob:
    """Which tasks of a pool are worked on, and how.

    Attributes:
        pool: The pool.
        query: Only tasks that it finds.
        before_status: ``waiting`` tasks are trained; of ``part_done`` ones the training that
            ``begin_task_train`` left in their recorder is done.
        after_status: The status that a trained task gets.
        experiment_name: MLflow experiment of tasks that name none themselves.
        recorder_name: Name of the recorders of such tasks.
        tags: Further tags of recorders.
        force_release: Use a new process for each task.
    """

    pool: TaskManager
    query: Mapping[str, Any] | None = None
    before_status: str = TaskManager.STATUS_WAITING
    after_status: str = TaskManager.STATUS_DONE
    experiment_name: str | None = None
    recorder_name: str | None = None
    tags: Mapping[str, str] | None = None
    force_release: bool = False

    def check(self) -> None:
        """Refuse statuses that no work can be between.

        Raises:
            PoolInputError: One of them is unknown or out of place.
        """
        if check_status(self.before_status) not in FETCHABLE:
            raise PoolInputError(
                f"before_status {self.before_status!r}: tasks are fetched from "
                f"{' or '.join(FETCHABLE)}"
            )
        if check_status(self.after_status) in (self.before_status, "running"):
            raise PoolInputError(
                f"after_status {self.after_status!r}: it would be fetched again; use "
                f"{TaskManager.STATUS_DONE!r}"
            )

    def make_roll_job(self, fetched: Mapping[str, Any]) -> RollJob:
        """What a worker process has to do for a fetched task.

        Raises:
            TaskError: Its definition is no task.
        """
        tags = dict(self.tags or {})
        if self.before_status == TaskManager.STATUS_PART_DONE:
            recorder_id = getattr(fetched["res"], "id", None)  # it holds task and market
            return _roll_job(
                fetched, "end", self.experiment_name, recorder_id=recorder_id, tags=tags
            )
        fields, definition = _split_definition(fetched["def"])
        if not isinstance(definition, Mapping):
            raise TaskError(
                f"the definition {definition!r} is no task: it needs 'model' and 'dataset'"
            )
        task, market = take_market(definition)
        return _roll_job(
            fetched,
            "train",
            fields.get("experiment_name") or self.experiment_name,
            task=task,
            recorder_name=fields.get("recorder_name") or self.recorder_name,
            tags={**tags, **fields.get("tags", {})},
            market=market,
        )


def _split_definition(definition: Any) -> tuple[Mapping[str, Any], Any]:
    """What a definition says of its recorder, and the task in it; most are the task itself."""
    if isinstance(definition, Mapping) and "task" in definition and "model" not in definition:
        return definition, definition["task"]
    return {}, definition


def _roll_job(
    fetched: Mapping[str, Any], kind: JobKind, experiment_name: str | None, **fields: Any
) -> RollJob:
    return RollJob(
        key=str(fetched["_id"]),
        kind=kind,
        experiment_name=experiment_name,
        fingerprint=fetched["fingerprint"],
        figures=False,
        **fields,
    )
