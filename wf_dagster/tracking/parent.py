"""One parent run for all recorders of a Dagster run, found by a tag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wf_dagster.errors import ExperimentNotFoundError
from wf_dagster.tracking.manager import MLflowExpManager
from wf_dagster.tracking.recorder import KIND_TAG
from wf_dagster.tracking.store import get_client, translated

RUN_TAG = "dagster_run_id"  # the tag by which dagster-mlflow finds its run


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
    run_id = parent_of(dagster_run_id, experiment_name)
    client = get_client()
    if run_id is None:
        experiment = MLflowExpManager().get_exp(experiment_name=experiment_name)
        parent = experiment.create_recorder(
            name, tags={**(tags or {}), RUN_TAG: dagster_run_id, KIND_TAG: "parent"}
        )
        run_id = parent.id
    with translated(what="opening the parent run"):
        client.update_run(run_id, status="RUNNING")
    status = "KILLED"
    try:
        yield run_id
        status = "FINISHED"
    except Exception:
        status = "FAILED"
        raise
    finally:
        with translated(what="closing the parent run"):
            client.set_terminated(run_id, status)


def parent_of(dagster_run_id: str, experiment_name: str) -> str | None:
    """The id of the parent run of a Dagster run, if it was made."""
    try:
        experiment = MLflowExpManager().get_exp(experiment_name=experiment_name, create=False)
    except ExperimentNotFoundError:
        return None
    found = experiment.search(f"tags.{RUN_TAG} = '{dagster_run_id}'", 1)
    return found[0].id if found else None
