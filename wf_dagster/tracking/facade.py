"""``R``: the active experiment and recorder of this thread or task."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from wf_dagster.errors import RecorderNotFoundError
from wf_dagster.tracking.experiment import MLflowExperiment, recorder_by_id
from wf_dagster.tracking.manager import MLflowExpManager
from wf_dagster.tracking.recorder import MLflowRecorder, Recorder
from wf_dagster.tracking.store import tracking_uri

DEFAULT_EXPERIMENT = "Experiment"
# A context variable: threads and asyncio tasks each have their own.
_active: ContextVar[tuple[MLflowExperiment, MLflowRecorder] | None] = ContextVar(
    "wf_dagster_active", default=None
)


class QlibRecorder:
    """Start recorders and log to the active one.

    Example:
        >>> with R.start(experiment_name="trial"):  # doctest: +SKIP
        ...     R.log_params(alpha=10.0)
        ...     R.log_metrics(loss=0.2)
    """

    @contextmanager
    def start(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        uri: str | None = None,
        resume: bool = False,
        parent_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> Iterator[QlibRecorder]:
        """Make a recorder active inside the block; blocks can be nested.

        It ends FINISHED, or FAILED when the block is left by an exception, which goes on
        unchanged.

        Args:
            experiment_id: The experiment by id.
            experiment_name: The experiment by name; made when it is not there.
            recorder_id: Resume this recorder.
            recorder_name: Name of the new recorder, or with ``resume`` of the one to resume.
            uri: MLflow tracking address; default that of the settings.
            resume: Go on with a recorder instead of making one.
            parent_run_id: The run under which a new recorder is shown.
            tags: First tags of a new recorder.
        """
        manager = MLflowExpManager(uri)
        experiment = manager.get_exp(
            experiment_id, experiment_name or (None if experiment_id else DEFAULT_EXPERIMENT)
        )
        if resume or recorder_id:
            recorder = experiment.get_recorder(recorder_id, recorder_name)
        else:
            recorder = experiment.create_recorder(
                recorder_name, parent_run_id=parent_run_id, tags=tags
            )
        recorder.start_run()
        token = _active.set((experiment, recorder))
        try:
            yield self
        except BaseException as error:
            clean = isinstance(error, SystemExit) and not error.code
            recorder.end_run(Recorder.STATUS_FI if clean else Recorder.STATUS_FA)
            raise
        else:
            recorder.end_run(Recorder.STATUS_FI)
        finally:
            _active.reset(token)

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
    ) -> MLflowExperiment:
        """An experiment by id or name; the active one when neither is given."""
        active = _active.get()
        if active and not experiment_id and not experiment_name:
            return active[0]
        name = experiment_name or (None if experiment_id else DEFAULT_EXPERIMENT)
        return MLflowExpManager().get_exp(experiment_id, name, create)

    def get_recorder(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
    ) -> MLflowRecorder:
        """A recorder by id, or by name in an experiment; the active one when nothing is given.

        Raises:
            RecorderNotFoundError: There is none.
        """
        active = _active.get()
        if recorder_id:
            return recorder_by_id(recorder_id, tracking_uri())
        if recorder_name:
            experiment = self.get_exp(
                experiment_id=experiment_id, experiment_name=experiment_name, create=False
            )
            return experiment.get_recorder(recorder_name=recorder_name)
        if active is None:
            raise RecorderNotFoundError(
                "no recorder is active: work inside `with R.start(...)`, or say which one with "
                "recorder_id or recorder_name"
            )
        return active[1]

    def list_experiments(self) -> dict[str, MLflowExperiment]:
        """All experiments by name."""
        return MLflowExpManager().list_experiments()

    def list_recorders(
        self, experiment_id: str | None = None, experiment_name: str | None = None
    ) -> dict[str, MLflowRecorder]:
        """All recorders of an experiment by id, newest first."""
        return self.get_exp(
            experiment_id=experiment_id, experiment_name=experiment_name, create=False
        ).list_recorders()

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters to the active recorder."""
        self.get_recorder().log_params(**kwargs)

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics to the active recorder."""
        self.get_recorder().log_metrics(step, **kwargs)

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags of the active recorder."""
        self.get_recorder().set_tags(**kwargs)

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects in the active recorder."""
        self.get_recorder().save_objects(local_path, artifact_path, **kwargs)

    def load_object(self, name: str, allow: Sequence[str] = ()) -> Any:
        """Load an object of the active recorder."""
        return self.get_recorder().load_object(name, allow)

    def get_uri(self) -> str:
        """The MLflow tracking address in use."""
        return tracking_uri()


R = QlibRecorder()
