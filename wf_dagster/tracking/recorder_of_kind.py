"""Recorders that an experiment has one of, such as its collected predictions: found by kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from wf_dagster.tracking.experiment_manager import MLflowExpManager, find_recorders
from wf_dagster.tracking.facade import R
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.run_kinds import KIND_TAG


def find_recorder_of_kind(
    experiment_name: str, kind: str, *, oldest: bool = False
) -> MLflowRecorder | None:
    """The experiment's one recorder of a kind, whatever its status.

    Args:
        experiment_name: An experiment that is not there has none.
        kind: Its tag ``wf_kind``.
        oldest: Should two have been made at the same time, the older one counts; default the
            newest.

    Raises:
        TrackingError: The store fails.
    """
    recorders = find_recorders(experiment_name, tags={KIND_TAG: kind}, status=None)
    if not recorders:
        return None
    return recorders[-1] if oldest else recorders[0]


def create_recorder_of_kind(experiment_name: str, kind: str) -> MLflowRecorder:
    """Create the experiment's one recorder of a kind, ``SCHEDULED``.

    Args:
        experiment_name: Made when it is not there.
        kind: Its name, and its tag ``wf_kind``.

    Returns:
        The oldest of the kind: another process may have made one at the same time.

    Raises:
        TrackingError: The store fails.
    """
    experiment = MLflowExpManager().get_exp(experiment_name=experiment_name)
    created = experiment.create_recorder(kind, tags={KIND_TAG: kind})
    return find_recorder_of_kind(experiment_name, kind, oldest=True) or created


@contextmanager
def start_recorder_of_kind(
    experiment_name: str, kind: str, *, tags: Mapping[str, str] | None = None
) -> Iterator[MLflowRecorder]:
    """Go on with the experiment's one recorder of a kind, or start it; active inside the block.

    Args:
        experiment_name: Made when it is not there.
        kind: Its name, and its tag ``wf_kind``.
        tags: Further tags of a new recorder.

    Yields:
        The recorder.

    Raises:
        TrackingError: The store fails.
    """
    recorder = find_recorder_of_kind(experiment_name, kind)
    with R.start(
        experiment_name=experiment_name,
        recorder_id=None if recorder is None else recorder.id,
        recorder_name=kind,
        tags={**(tags or {}), KIND_TAG: kind},
    ):
        yield R.get_recorder()
