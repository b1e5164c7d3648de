"""The recorders of an experiment that pass a filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wf_dagster.tracking import R, Recorder


def list_recorders(
    experiment: Any,
    rec_filter_func: Callable[[Any], bool] | None = None,
) -> dict[str, Recorder]:
    """The recorders of an experiment, newest first.

    Args:
        experiment: Its name, or what has ``list_recorders()``.
        rec_filter_func: Whether a recorder is listed; default all.

    Returns:
        Recorders by id.

    Raises:
        ExperimentNotFoundError: No experiment has that name; Qlib makes one.
    """
    if isinstance(experiment, str):
        experiment = R.get_exp(experiment_name=experiment, create=False)
    listed: dict[str, Recorder] = experiment.list_recorders()
    if rec_filter_func is None:
        return listed
    return {key: recorder for key, recorder in listed.items() if rec_filter_func(recorder)}
