"""The experiment kept in MLflow."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

import pandas as pd
from typing_extensions import Unpack

from wf_dagster.errors import RecorderNotFoundError, TrackingError
from wf_dagster.start_hooks import HOOKS
from wf_dagster.tracking import active_starts, run_search
from wf_dagster.tracking.active_starts import ActiveStart
from wf_dagster.tracking.experiment import Experiment
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder, check_status, first_tags
from wf_dagster.tracking.mlflow_values import TAG_LIMIT, checked_name, cut_text, to_text
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.run_kinds import KIND_TAG, PARENT_TAG, RECORDER, is_parent
from wf_dagster.tracking.run_search import quote_text
from wf_dagster.tracking.start_options import RECORDER_OPTIONS, RecorderOptions, check_options
from wf_dagster.tracking.store import call_store, current_store, get_client

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DEFAULT_RECORDER = "mlflow_recorder"


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

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        self.__dict__.update(state)
        self.uri = current_store(self.uri)

    def __str__(self) -> str:
        return str(self.info)

    @property
    def info(self) -> dict[str, Any]:
        """``id``, ``name``, id of the active recorder, ids of all recorders."""
        recorder = self.active_recorder
        return {
            "class": "Experiment",
            "id": self.id,
            "name": self.name,
            "active_recorder": recorder.id if recorder is not None else None,
            "recorders": list(self.list_recorders()),
        }

    @property
    def client(self) -> MlflowClient:
        """MLflow's client of its tracking address."""
        return get_client(self.uri)

    @property
    def active_recorder(self) -> MLflowRecorder | None:
        """The recorder of this experiment that is active in this thread or task."""
        start = active_starts.current_start()
        if start is None or (start.experiment.id, start.experiment.uri) != (self.id, self.uri):
            return None
        return start.recorder

    # making and starting

    def start(self, **options: Unpack[RecorderOptions]) -> MLflowRecorder:
        """Start a recorder and make it active in this thread or task.

        Args:
            **options: See :class:`RecorderOptions`: ``recorder_id``, ``recorder_name``,
                ``resume``, ``parent_run_id``, ``tags``.

        Raises:
            RecorderNotFoundError: There is no recorder with that id.
        """
        return self.start_at(None, options)

    def start_at(self, uri: str | None, options: RecorderOptions) -> MLflowRecorder:
        """As :meth:`start`; an address holds for everything inside it.

        Args:
            uri: The tracking address that the start was called with; ``None`` for the default.
            options: Which recorder.

        Raises:
            RecorderNotFoundError: There is no recorder with that id.
        """
        check_options(options, RECORDER_OPTIONS)
        name = options.get("recorder_name")
        recorder = None
        if recorder_id := options.get("recorder_id"):
            recorder = self._find_by_id(recorder_id)
        elif options.get("resume"):
            recorder = self._find_latest(name or DEFAULT_RECORDER)
        if recorder is None:
            tags = {**(options.get("tags") or {}), **first_tags()}
            recorder = self._create_run(name, options.get("parent_run_id"), tags)
            recorder.go_live(is_first=True)
        else:
            recorder.start_run()
        active_starts.push_start(ActiveStart(self, recorder, uri))
        HOOKS.begin(recorder.id)
        return recorder

    def end(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder of this experiment, if there is one, with this status."""
        depth = active_starts.innermost_depth()
        if depth is not None and self.active_recorder is not None:
            end_starts(depth, recorder_status)

    def create_recorder(
        self,
        recorder_name: str | None = None,
        *,
        parent_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> MLflowRecorder:
        """A new recorder, ``SCHEDULED`` until its ``start_run``.

        Args:
            recorder_name: Its name; default ``"mlflow_recorder"``.
            parent_run_id: The run under which it is shown.
            tags: Its first tags.
        """
        recorder = self._create_run(recorder_name, parent_run_id, tags or {})
        call_store(
            self.uri,
            "making a run",
            lambda client: client.update_run(recorder.id, status=Recorder.STATUS_S),
        )
        recorder.status = Recorder.STATUS_S
        return recorder

    def _create_run(
        self, name: str | None, parent_run_id: str | None, tags: Mapping[str, Any]
    ) -> MLflowRecorder:
        all_tags = {KIND_TAG: RECORDER, **tags}
        if parent_run_id:
            all_tags[PARENT_TAG] = parent_run_id
        texts = {
            checked_name("tag", n): cut_text(to_text(v), TAG_LIMIT, "no file")
            for n, v in all_tags.items()
        }
        started = _unique_now()
        run = call_store(
            self.uri,
            "making a run",
            lambda client: client.create_run(
                self.id, start_time=started, run_name=name or DEFAULT_RECORDER, tags=texts
            ),
        )
        return MLflowRecorder(run, self.uri)

    # finding

    def get_recorder(
        self,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> MLflowRecorder:
        """A recorder by id, or the latest of a name; the active one when neither is given.

        Where none is active either, it is the latest that was started without a name.

        Args:
            recorder_id: An id; one that is not there is an error, as it cannot be made.
            recorder_name: A name; default ``"mlflow_recorder"``, that of recorders without one.
            create: Make a recorder if there is none of that name.
            start: Start the recorder that was made, and make it active.

        Raises:
            RecorderNotFoundError: There is none and it is not to be made.
        """
        if recorder_id:
            return self._find_by_id(recorder_id)
        if not recorder_name and self.active_recorder is not None:
            return self.active_recorder
        recorder = self._find_latest(recorder_name or DEFAULT_RECORDER)
        if recorder is not None:
            return recorder
        if not create and not recorder_name:
            raise RecorderNotFoundError(
                f"no recorder of experiment {self.name!r} is active, and none was started without "
                "a name: work inside `with R.start(...)`, or say which one with recorder_id or "
                "recorder_name"
            )
        if not create:
            raise RecorderNotFoundError(
                f"experiment {self.name!r} has no recorder called {recorder_name!r}: "
                "R.list_recorders(...) lists them"
            )
        if start:
            return self.start(recorder_name=recorder_name)
        return self.create_recorder(recorder_name)

    def _find_by_id(self, recorder_id: str) -> MLflowRecorder:
        recorder = run_search.recorder_by_id(recorder_id, self.uri)
        if recorder.experiment_id != self.id:
            raise RecorderNotFoundError(
                f"recorder {recorder_id!r} belongs to experiment {recorder.experiment_id!r}, not "
                f"to {self.name!r} (id {self.id!r}): leave the experiment out, or name the right "
                "one"
            )
        return recorder

    def _find_latest(self, name: str) -> MLflowRecorder | None:
        named = f"attributes.run_name = {quote_text(name)}"
        return next(iter(self.search(named, 1, is_wanted=lambda tags: not is_parent(tags))), None)

    @overload
    def list_recorders(
        self,
        rtype: Literal["dict"] = "dict",
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> dict[str, MLflowRecorder]: ...

    @overload
    def list_recorders(
        self,
        rtype: Literal["list"],
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> list[MLflowRecorder]: ...

    def list_recorders(
        self,
        rtype: Literal["dict", "list"] = "dict",
        max_results: int | None = None,
        status: str | None = None,
        filter_string: str = "",
    ) -> dict[str, MLflowRecorder] | list[MLflowRecorder]:
        """The recorders, newest first, with all their params, metrics and tags.

        Parents of Dagster runs are none, nor is what an experiment has one of (``collected``,
        ``signals``, ``online``), unless the filter names their tag ``wf_kind``.

        Args:
            rtype: ``"dict"`` by id, or ``"list"``.
            max_results: At most so many; default all.
            status: Only those of this status.
            filter_string: MLflow's filter, such as ``tags.online = 'online'``.

        Raises:
            TrackingError: The filter is malformed, or ``rtype`` is unknown.
        """
        if rtype not in (self.RT_D, self.RT_L):
            raise TrackingError(f"rtype {rtype!r} is unknown: use 'dict' or 'list'")
        terms = [
            term for term in (filter_string, status and f"attributes.status = '{status}'") if term
        ]
        wanted = run_search.kind_filter(filter_string)
        recorders = self.search(" and ".join(terms), max_results, is_wanted=wanted)
        return recorders if rtype == self.RT_L else {r.id: r for r in recorders}

    def search(
        self,
        filter_string: str = "",
        limit: int | None = None,
        *,
        is_wanted: Callable[[Mapping[str, str]], bool] = lambda tags: True,
    ) -> list[MLflowRecorder]:
        """The runs that MLflow's filter finds, whatever they are, newest first.

        Args:
            filter_string: The filter.
            limit: At most so many.
            is_wanted: Says by its tags whether a run counts.
        """
        runs = run_search.find_runs(
            self.uri, [self.id], filter_string, limit=limit, is_wanted=is_wanted
        )
        return [MLflowRecorder(run, self.uri) for run in runs]

    def by_id(self, ids: Iterable[str]) -> dict[str, MLflowRecorder]:
        """Recorders by their ids, in one search; those that are not there are left out."""
        return run_search.recorders_by_id(ids, self.id, self.uri)

    def search_records(
        self,
        filter_string: str | None = None,
        run_view_type: int | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The recorders that a search finds, as a frame; see ``R.search_records``."""
        return run_search.search_frame(
            self.uri, [self.id], filter_string, run_view_type, max_results, order_by
        )

    def delete_recorder(
        self, recorder_id: str | None = None, recorder_name: str | None = None
    ) -> None:
        """Delete a recorder by id, or the latest of a name.

        Raises:
            RecorderNotFoundError: There is none, or neither is given.
        """
        if not recorder_id and not recorder_name:
            raise RecorderNotFoundError("say which recorder to delete: give its id or its name")
        recorder = self.get_recorder(recorder_id, recorder_name, create=False)
        call_store(self.uri, "deleting a run", lambda client: client.delete_run(recorder.id))


def end_starts(depth: int, status: str) -> None:
    """End the recorders of the start at this depth and of those inside it, innermost first.

    One whose store does not answer stays active, so that ending it can be tried again.
    """
    check_status(status)
    failure: TrackingError | None = None
    for start in active_starts.starts_from(depth):
        if start.recorder.running and start.recorder.is_own:
            try:
                start.recorder.end_run(status)
            except TrackingError as error:
                failure = failure or error
    if failure is not None:
        raise failure
    active_starts.pop_starts(depth)


_last_start = 0
_starting = threading.Lock()


def _unique_now() -> int:
    """Milliseconds since 1970, never the same twice, so that the latest recorder is one."""
    global _last_start
    with _starting:
        _last_start = max(time.time_ns() // 1_000_000, _last_start + 1)
        return _last_start
