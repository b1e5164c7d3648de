"""One parent run for all recorders of a Dagster run, found by a tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wf_dagster.errors import ExperimentNotFoundError
from wf_dagster.tracking.experiment_manager import MLflowExpManager
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.process_exit import end_after
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.run_kinds import KIND_TAG, PARENT, PARENT_TAG, RUN_TAG
from wf_dagster.tracking.run_search import quote_text


def set_parent(recorder: Recorder, parent_run_id: str) -> None:
    """Show a recorder under another run, on the MLflow page and to :func:`sweep_children`.

    Args:
        recorder: One that was made without, or with another parent.
        parent_run_id: The MLflow run of the parent.

    Raises:
        TrackingError: The store fails.
    """
    if recorder.list_tags().get(PARENT_TAG) != parent_run_id:
        recorder.set_tags(**{PARENT_TAG: parent_run_id})


@contextmanager
def parent_run(
    dagster_run_id: str,
    experiment_name: str,
    *,
    name: str | None = None,
    tags: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Find or make the parent run of a Dagster run; RUNNING inside the block.

    It ends FINISHED; FAILED after an exception; KILLED after an interruption.

    Yields:
        The id of the MLflow run.
    """
    parent = _find_parent(dagster_run_id, experiment_name)
    if parent is None:
        experiment = MLflowExpManager().get_exp(experiment_name=experiment_name)
        parent = experiment.create_recorder(
            name, tags={**(tags or {}), RUN_TAG: dagster_run_id, KIND_TAG: PARENT}
        )
    parent.start_run()
    try:
        yield parent.id
    except BaseException as error:
        end_after(parent, error, "FAILED" if isinstance(error, Exception) else "KILLED")
        raise
    parent.end_run()


def parent_of(dagster_run_id: str, experiment_name: str) -> str | None:
    """The id of the parent run of a Dagster run, if it was made."""
    parent = _find_parent(dagster_run_id, experiment_name)
    return parent.id if parent else None


def _find_parent(dagster_run_id: str, experiment_name: str) -> MLflowRecorder | None:
    try:
        experiment = MLflowExpManager().get_exp(experiment_name=experiment_name, create=False)
    except ExperimentNotFoundError:
        return None
    parents = experiment.search(f"tags.{RUN_TAG} = {quote_text(dagster_run_id)}", 1)
    return parents[0] if parents else None
