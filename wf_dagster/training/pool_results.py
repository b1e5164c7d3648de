"""What the tasks of a pool have led to: their recorders, or why they have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wf_dagster.errors import TrainingError
from wf_dagster.pool import TaskManager
from wf_dagster.tracking import Recorder


def reset_failed(pool: TaskManager, ids: Sequence[str], status: str) -> None:
    """What failed in all its attempts has as many again: somebody asks for it anew."""
    pool.reset_status({"_id": {"$in": list(ids)}, "status": TaskManager.STATUS_FAILED}, status)


def read_recorders(pool: TaskManager, ids: Sequence[str]) -> list[Recorder]:
    """The recorders of tasks that were trained, in their order.

    Raises:
        TrainingError: Some tasks have none; those of the others are in it.
    """
    tasks = {task["_id"]: task for task in pool.query({"_id": {"$in": list(ids)}})}
    errors = {
        position: error
        for position, task_id in enumerate(ids)
        if (error := _read_error(tasks.get(task_id)))
    }
    trained: list[Any] = [
        None if position in errors else tasks[task_id]["res"]
        for position, task_id in enumerate(ids)
    ]
    if errors:
        lines = "".join(
            f"\n- task {position} ({ids[position]}): {error}" for position, error in errors.items()
        )
        raise TrainingError(
            f"{len(errors)} of {len(ids)} tasks of pool {pool.task_pool!r} failed; the others are "
            f"trained and kept. They are tried again when the trainer is given them again:{lines}",
            trained,
        )
    return trained


def _read_error(task: Mapping[str, Any] | None) -> str:
    """Why a task has no recorder; empty if it has one."""
    if task is None:
        return "it was removed from the pool"
    if task["status"] == TaskManager.STATUS_FAILED:
        return str(task.get("error") or "it failed")
    if not isinstance(task.get("res"), Recorder):
        return f"its result is no recorder but {task.get('res')!r}"
    return ""
