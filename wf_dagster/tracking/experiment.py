"""The experiment: all recorders of one strategy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wf_dagster.errors import RecorderNotFoundError
from wf_dagster.tracking.recorder import KIND_TAG, RECORDER, MLflowRecorder
from wf_dagster.tracking.store import get_client, translated


class Experiment:
    """What Qlib's users know of an experiment."""

    id: str
    name: str


class MLflowExperiment(Experiment):
    """An experiment kept in MLflow.

    Args:
        id: Experiment id.
        name: Its name.
        uri: The tracking address.
    """

    def __init__(self, id: str, name: str, uri: str) -> None:
        self.id = id
        self.name = name
        self.uri = uri

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, id={self.id!r})"

    @property
    def info(self) -> dict[str, Any]:
        """``id``, ``name`` and the ids of the recorders."""
        return {
            "class": "Experiment",
            "id": self.id,
            "name": self.name,
            "recorders": list(self.list_recorders()),
        }

    def create_recorder(
        self,
        name: str | None = None,
        *,
        parent_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> MLflowRecorder:
        """A new recorder, not started yet.

        Args:
            name: Its name; default one that MLflow makes up.
            parent_run_id: The run under which it is shown.
            tags: Its first tags.
        """
        given = {KIND_TAG: RECORDER, **(tags or {})}
        if parent_run_id:
            given["mlflow.parentRunId"] = parent_run_id
        with translated(self.uri, "making a run"):
            run = get_client(self.uri).create_run(
                self.id, run_name=name, tags={k: str(v) for k, v in given.items()}
            )
        return MLflowRecorder(run, self.uri)

    def get_recorder(
        self, recorder_id: str | None = None, recorder_name: str | None = None
    ) -> MLflowRecorder:
        """A recorder by id, or the latest of a name.

        Raises:
            RecorderNotFoundError: There is none.
        """
        if recorder_id:
            return recorder_by_id(recorder_id, self.uri)
        found = self.search(f"attributes.run_name = '{_quoted(recorder_name or '')}'", 1)
        if not found:
            raise RecorderNotFoundError(
                f"experiment {self.name!r} has no recorder called {recorder_name!r}"
            )
        return found[0]

    def list_recorders(self, max_results: int | None = None) -> dict[str, MLflowRecorder]:
        """All recorders by id, newest first."""
        return {r.id: r for r in self.search("", max_results)}

    def search(self, filter_string: str = "", limit: int | None = None) -> list[MLflowRecorder]:
        """The recorders that MLflow's filter finds, newest first, with all their data."""
        made: list[MLflowRecorder] = []
        token: str | None = None
        while True:
            size = 1000 if limit is None else min(1000, limit - len(made))
            with translated(self.uri, "searching runs"):
                page = get_client(self.uri).search_runs(
                    [self.id],
                    filter_string,
                    max_results=size,
                    order_by=["attributes.start_time DESC"],
                    page_token=token,
                )
            made += [MLflowRecorder(run, self.uri) for run in page]
            token = page.token
            if not token or (limit is not None and len(made) >= limit):
                return made


def recorder_by_id(recorder_id: str, uri: str) -> MLflowRecorder:
    """A recorder by its id.

    Raises:
        RecorderNotFoundError: There is none.
    """
    from mlflow.exceptions import MlflowException

    try:
        return MLflowRecorder(get_client(uri).get_run(recorder_id), uri)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            with translated(uri, "reading a run"):
                raise
        raise RecorderNotFoundError(f"there is no recorder with the id {recorder_id!r}") from None


def _quoted(text: str) -> str:
    return text.replace("'", "''")
