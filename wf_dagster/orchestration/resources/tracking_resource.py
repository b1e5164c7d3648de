"""The Dagster side of MLflow: one parent run a Dagster run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import dagster as dg

from wf_dagster.errors import SettingsError, WfError
from wf_dagster.orchestration.run_tags import BACKFILL_TAG

_log = logging.getLogger(__name__)


class _OneObject(type(dg.ConfigurableResource)):  # type: ignore[misc]
    """Makes a resource that has no values the same object each time.

    ``Definitions.merge`` takes two resources of one key only where they are one object.
    """

    _objects: ClassVar[dict[type, Any]] = {}

    def __call__(cls, **values: Any) -> Any:
        if values or cls.model_fields:
            return super().__call__(**values)
        if cls not in cls._objects:
            cls._objects[cls] = super().__call__()
        return cls._objects[cls]


class TrackingResource(dg.ConfigurableResource, metaclass=_OneObject):  # type: ignore[type-arg]
    """Gives each Dagster run its parent run in MLflow.

    The parent carries the tag ``dagster_run_id``, which is also how
    ``dagster_mlflow.mlflow_tracking`` finds its run: an op of your own that uses that resource
    in the same Dagster run and experiment logs to the same parent. Make the experiment first, with
    ``R.get_exp(experiment_name=...)`` or by materializing a roll: made by that resource, it keeps
    its artifacts in ``./mlruns``.

    Where MLflow is comes from the settings (``wf_dagster.init`` or ``WF_TRACKING_URI``), so
    that worker processes, notebooks and Dagster steps agree. ``TrackingResource()`` is the same
    object each time, so definitions that bring one along each can be merged.
    """

    @contextmanager
    def parent(self, context: dg.AssetExecutionContext, experiment: str) -> Iterator[str]:
        """Find or make the parent run; it ends FINISHED, FAILED or KILLED with the block.

        A recorder under it whose worker process died meanwhile ends FAILED.

        Args:
            context: The context of the running asset.
            experiment: Name of the MLflow experiment.

        Yields:
            The id of the MLflow run.

        Raises:
            SettingsError: The home folder cannot be written.
            TrackingError: The MLflow store does not answer.
        """
        from wf_dagster.tracking import check_tracking, parent_run  # slow to import

        check_tracking()
        run = context.run
        tags = {"dagster_job": run.job_name}
        if backfill := run.tags.get(BACKFILL_TAG):
            tags["dagster_backfill"] = backfill
        name = f"dagster {run.run_id[:8]}"
        with parent_run(run.run_id, experiment, name=name, tags=tags) as parent_id:
            try:
                yield parent_id
            finally:
                _end_dead_recorders(parent_id, experiment)


def tracking_of(context: dg.AssetExecutionContext, key: str) -> TrackingResource:
    """The resource of a run.

    Raises:
        SettingsError: What has that key is another resource.
    """
    resource = getattr(context.resources, key)
    if not isinstance(resource, TrackingResource):
        raise SettingsError(
            f"resource {key!r} is a {type(resource).__name__}: give the definitions "
            f"resources={{{key!r}: TrackingResource()}}, or the strategy another tracking_key"
        )
    return resource


def _end_dead_recorders(parent_id: str, experiment: str) -> None:
    from wf_dagster.tracking import sweep_children  # slow to import

    try:
        for dead in sweep_children(parent_id, experiment):
            _log.warning("recorder %s is FAILED: %s", dead.recorder.id, dead.reason)
    except WfError as error:  # it must not hide why the block was left
        _log.warning("recorders of dead workers could not be looked for: %s", error)
