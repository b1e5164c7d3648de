"""``R``: the active experiment and recorder of this thread or task."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pandas as pd
from typing_extensions import Unpack

from wf_dagster.errors import ExperimentNotFoundError, RecorderNotFoundError
from wf_dagster.tracking import active_starts, run_search
from wf_dagster.tracking.experiment_manager import MLflowExpManager
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD
from wf_dagster.tracking.mlflow_experiment import MLflowExperiment, end_starts
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.object_files import Unpickler
from wf_dagster.tracking.process_exit import end_after
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.recorder_objects import Raw
from wf_dagster.tracking.start_options import StartOptions
from wf_dagster.tracking.tracking_settings import set_tracking_uri

_log = logging.getLogger(__name__)


class QlibRecorder:
    """Start recorders, log to the active one, and find those of before.

    Args:
        exp_manager: Where experiments are found; default those of the settings.

    Example:
        >>> with R.start(experiment_name="trial"):  # doctest: +SKIP
        ...     R.log_params(alpha=10.0)
        ...     R.log_metrics(loss=0.2)
    """

    def __init__(self, exp_manager: MLflowExpManager | None = None) -> None:
        self.exp_manager = exp_manager or MLflowExpManager()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.exp_manager!r})"

    # starting and ending

    @contextmanager
    def start(self, **options: Unpack[StartOptions]) -> Iterator[MLflowExperiment]:
        """Make a recorder active inside the block, in this thread or task; blocks can be nested.

        It ends FINISHED, or FAILED when the block is left by an exception, Ctrl-C, SIGTERM or
        ``sys.exit`` with a code other than 0; the exception goes on unchanged.

        Args:
            **options: See :class:`StartOptions`: ``experiment_id`` or ``experiment_name`` (made
                when it is not there; default ``"Experiment"``); ``recorder_id`` to go on with a
                recorder; ``recorder_name`` of the new one, or with ``resume`` of the one to go on
                with; ``uri`` of another tracking store; ``parent_run_id`` and ``tags`` of a new
                recorder.

        Yields:
            The experiment.

        Raises:
            TrackingError: The store failed; values still wait if it was at the end.
        """
        depth = active_starts.next_depth()
        experiment = self.start_exp(**options)
        try:
            yield experiment
        except BaseException as error:
            for start in active_starts.pop_starts(depth):
                if start.recorder.is_own:
                    end_after(start.recorder, error)
            raise
        try:
            end_starts(depth, Recorder.STATUS_FI)
        finally:
            active_starts.pop_starts(depth)

    def start_exp(self, **options: Unpack[StartOptions]) -> MLflowExperiment:
        """Make a recorder active until :meth:`end_exp`; the options are those of :meth:`start`.

        What is still open when the interpreter ends, ends FINISHED, or FAILED after an uncaught
        exception, SIGTERM or ``sys.exit`` with a code other than 0.
        """
        return self.exp_manager.start_exp(**options)

    def end_exp(self, recorder_status: str = Recorder.STATUS_FI) -> None:
        """End the active recorder with this status; nothing happens if there is none."""
        self.exp_manager.end_exp(recorder_status)

    # experiments

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> MLflowExperiment:
        """An experiment by id or name; the active one, else the default one, without either.

        Args:
            experiment_id: An id; one that is not there is an error, as it cannot be made.
            experiment_name: A name.
            create: Make it if there is none of that name.
            start: Start a recorder in it if none is active.

        Raises:
            ExperimentDeletedError: It was deleted.
            ExperimentNotFoundError: It is not there and is not to be made.
        """
        return self.exp_manager.get_exp(
            experiment_id=experiment_id, experiment_name=experiment_name, create=create, start=start
        )

    def list_experiments(self) -> dict[str, MLflowExperiment]:
        """All experiments by name, except deleted ones."""
        return self.exp_manager.list_experiments()

    def delete_exp(
        self, experiment_id: str | None = None, experiment_name: str | None = None
    ) -> None:
        """Delete an experiment by id or name; MLflow can restore it.

        Raises:
            ExperimentNotFoundError: There is none, or neither is given.
        """
        self.exp_manager.delete_exp(experiment_id, experiment_name)

    # recorders

    def get_recorder(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
    ) -> MLflowRecorder:
        """A recorder by id, or the latest of a name; the active one without either.

        A name is looked for in the experiment that is given, else in the active one, else in
        the default one. Without one, and where none is active, it is the latest that was started
        without a name (``"mlflow_recorder"``).

        Raises:
            ExperimentNotFoundError: The experiment is not there.
            RecorderNotFoundError: There is none; or nothing is given, and others are active
                elsewhere in this process.
        """
        names_experiment = bool(experiment_id or experiment_name)
        if recorder_id and not names_experiment:
            return run_search.recorder_by_id(recorder_id, self.get_uri())
        if not recorder_id and not recorder_name and not names_experiment:
            start = active_starts.current_start()
            if start is not None:
                return start.recorder
            if HEARTBEAT_THREAD.running():  # one of these is more likely to be meant
                raise RecorderNotFoundError(_why_none_active())
            try:
                return self.get_exp(create=False).get_recorder(create=False)
            except (ExperimentNotFoundError, RecorderNotFoundError):
                raise RecorderNotFoundError(_why_none_active()) from None
        experiment = self.get_exp(
            experiment_id=experiment_id, experiment_name=experiment_name, create=False
        )
        return experiment.get_recorder(recorder_id, recorder_name, create=False)

    def list_recorders(
        self, experiment_id: str | None = None, experiment_name: str | None = None
    ) -> dict[str, MLflowRecorder]:
        """All recorders of an experiment by id, newest first; of the active or the default one.

        An experiment that is not there has none. What is no training is not listed: parents of
        Dagster runs, collected frames, signals, ledgers.
        """
        try:
            experiment = self.get_exp(
                experiment_id=experiment_id, experiment_name=experiment_name, create=False
            )
        except ExperimentNotFoundError:
            if experiment_id:
                raise
            return {}
        return experiment.list_recorders()

    def search_records(
        self,
        experiment_ids: Sequence[str] | None = None,
        filter_string: str | None = None,
        run_view_type: int | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The recorders that a search finds, as a frame.

        Trainings only, as :meth:`list_recorders`, unless the filter names the tag ``wf_kind``.

        Args:
            experiment_ids: Where to look; default everywhere.
            filter_string: MLflow's filter, such as ``metrics.ic > 0.02 and tags.roll = '2020'``.
            run_view_type: 1 without deleted ones (the default), 2 only deleted ones, 3 all.
            max_results: At most so many; default all.
            order_by: Such as ``["metrics.ic DESC"]``; default the newest first.

        Returns:
            One row a recorder; columns ``run_id``, ``experiment_id``, ``status``,
            ``artifact_uri``, ``start_time`` and ``end_time`` (UTC), then ``metrics.*`` (NaN
            where there is none), ``params.*`` and ``tags.*`` (``None`` where there is none).

        Raises:
            TrackingError: The filter or the order is malformed.
        """
        return self.exp_manager.search_records(
            experiment_ids, filter_string, run_view_type, max_results, order_by
        )

    def delete_recorder(
        self, recorder_id: str | None = None, recorder_name: str | None = None
    ) -> None:
        """Delete a recorder by id, or the latest of a name in the active or default experiment.

        Raises:
            RecorderNotFoundError: There is none, or neither is given.
        """
        if recorder_id:
            recorder = run_search.recorder_by_id(recorder_id, self.get_uri())
            experiment = self.get_exp(experiment_id=recorder.experiment_id, create=False)
        else:
            experiment = self.get_exp(create=False)
        experiment.delete_recorder(recorder_id, recorder_name)

    # the address

    def get_uri(self) -> str:
        """The MLflow tracking address in use."""
        return self.exp_manager.uri

    def set_uri(self, uri: str | None) -> None:
        """Change the tracking address of the settings; ``None`` goes back to the one in ``home``.

        Raises:
            SettingsError: It is no address that MLflow knows.
        """
        set_tracking_uri(uri)

    def uri_context(self, uri: str) -> AbstractContextManager[None]:
        """Use another tracking address inside the block, in this thread or task."""
        return active_starts.default_uri_replaced(uri)

    # the active recorder

    def _active_or_default(self) -> MLflowRecorder:
        """The active recorder; a new one in the default experiment if nothing runs at all."""
        start = active_starts.current_start()
        if start is not None:
            return start.recorder
        if (
            HEARTBEAT_THREAD.running()
        ):  # to start another here would tear apart what belongs together
            raise RecorderNotFoundError(_why_none_active())
        experiment = self.exp_manager.start_exp()
        recorder = experiment.active_recorder
        assert recorder is not None
        _log.warning(
            "no recorder was active: recorder %s of experiment %r was started, and ends with the "
            "process or R.end_exp()",
            recorder.id,
            experiment.name,
        )
        return recorder

    def save_objects(
        self, local_path: str | None = None, artifact_path: str | None = None, **kwargs: Any
    ) -> None:
        """Save objects in the active recorder; see :meth:`MLflowRecorder.save_objects`."""
        self._active_or_default().save_objects(local_path, artifact_path, **kwargs)

    def load_object(
        self,
        name: str,
        allow: Sequence[str] = (),
        raw: Raw | None = None,
        *,
        unpickler: Unpickler | None = None,
    ) -> Any:
        """Load an object of the active recorder; see :meth:`MLflowRecorder.load_object`."""
        return self.get_recorder().load_object(name, allow, raw, unpickler=unpickler)

    def log_params(self, **kwargs: Any) -> None:
        """Log parameters to the active recorder."""
        self._active_or_default().log_params(**kwargs)

    def log_metrics(self, step: int | None = None, **kwargs: float) -> None:
        """Log metrics to the active recorder."""
        self._active_or_default().log_metrics(step, **kwargs)

    def log_artifact(self, local_path: str, artifact_path: str | None = None) -> None:
        """Copy a file or folder into the active recorder."""
        self._active_or_default().log_artifact(local_path, artifact_path)

    def download_artifact(self, path: str, dst_path: str | None = None) -> str:
        """Copy a file or folder of the active recorder; returns where it is."""
        return self.get_recorder().download_artifact(path, dst_path)

    def set_tags(self, **kwargs: Any) -> None:
        """Set tags of the active recorder."""
        self._active_or_default().set_tags(**kwargs)

    def delete_tags(self, *keys: str) -> None:
        """Delete tags of the active recorder.

        Raises:
            RecorderNotFoundError: None is active.
        """
        start = active_starts.current_start()
        if start is None:  # what cannot be undone is done to no other one
            raise RecorderNotFoundError(_why_none_active())
        start.recorder.delete_tags(*keys)


def _why_none_active() -> str:
    elsewhere = ""
    if HEARTBEAT_THREAD.running():
        elsewhere = (
            " (others are active elsewhere in this process: threads start without one, so hand "
            "them the recorder, or run them with contextvars.copy_context().run)"
        )
    return (
        f"no recorder is active here{elsewhere}: work inside `with R.start(...)`, or say which one "
        "with recorder_id or recorder_name"
    )


class RecorderWrapper(QlibRecorder):
    """The class of ``R``: where Qlib's would lead elsewhere, it stays."""

    def register(self, provider: Any) -> None:
        """Nothing: ``qlib.init`` registers a recorder here, also while one of ours is active.

        Args:
            provider: Qlib's; what it says of addresses is read from Qlib's configuration.
        """


R = RecorderWrapper()
