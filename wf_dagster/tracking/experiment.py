"""The experiment, as Qlib's users know it: all recorders of one strategy."""

from __future__ import annotations

from typing import Any

from wf_dagster.tracking.recorder import Recorder


class Experiment:
    """All recorders of one strategy.

    Attributes:
        id: Identifies it.
        name: Identifies it as well.
    """

    RT_D = "dict"
    RT_L = "list"

    id: str
    name: str

    @property
    def active_recorder(self) -> Recorder | None:
        """The recorder of this experiment that is active in this thread or task."""
        raise NotImplementedError  # abstract

    @property
    def info(self) -> dict[str, Any]:
        """``id``, ``name``, id of the active recorder, ids of all recorders."""
        active = self.active_recorder
        return {
            "class": "Experiment",
            "id": self.id,
            "name": self.name,
            "active_recorder": active.id if active is not None else None,
            "recorders": list(self.list_recorders()),
        }

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, id={self.id!r})"

    def __str__(self) -> str:
        return str(self.info)

    def start(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        resume: bool = False,
    ) -> Recorder:
        """Start a recorder, or go on with one, and make it active."""
        raise NotImplementedError  # abstract

    def end(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder."""
        raise NotImplementedError  # abstract

    def create_recorder(self, recorder_name: str | None = None) -> Recorder:
        """A new recorder, not started yet."""
        raise NotImplementedError  # abstract

    def get_recorder(
        self,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Recorder:
        """A recorder by id or name, or the active one."""
        raise NotImplementedError  # abstract

    def delete_recorder(
        self, recorder_id: str | None = None, recorder_name: str | None = None
    ) -> None:
        """Delete a recorder."""
        raise NotImplementedError  # abstract

    def list_recorders(self) -> Any:
        """All recorders, by id."""
        raise NotImplementedError  # abstract

    def search_records(self, *args: Any, **kwargs: Any) -> Any:
        """A frame of the recorders that a search finds."""
        raise NotImplementedError  # abstract
