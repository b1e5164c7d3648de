"""What a run is, by its tags: a training, a parent of trainings, or one of a kind."""

from __future__ import annotations

from collections.abc import Mapping

KIND_TAG = "wf_kind"
RUN_TAG = "dagster_run_id"  # of a parent run: the tag by which dagster-mlflow finds its run
PARENT_TAG = "mlflow.parentRunId"  # under which run the MLflow page shows a recorder
PARENT = "parent"  # the kind of run that recorders of a Dagster run are children of
RECORDER = "recorder"  # the kind of run that is a training


def is_parent(tags: Mapping[str, str]) -> bool:
    """Whether a run is the parent of a Dagster run's recorders, of this package or another's."""
    kind = tags.get(KIND_TAG)
    return kind == PARENT or (kind is None and RUN_TAG in tags)


def is_training(tags: Mapping[str, str]) -> bool:
    """Whether a run is a recorder, as Qlib knows them.

    Others are parents of runs, and what an experiment has one of: collected frames, signals, the
    ledger. A run that somebody else has logged is a recorder.
    """
    return tags.get(KIND_TAG, RECORDER) == RECORDER and not is_parent(tags)
