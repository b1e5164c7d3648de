"""The experiment kept in MLflow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, overload

import pandas as pd

from wf_dagster.errors import RecorderNotFoundError, TrackingError
from wf_dagster.tracking import active, search
from wf_dagster.tracking.experiment import Experiment
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder, check_status, first_tags
from wf_dagster.tracking.recorder import KIND_TAG, PARENT_TAG, RECORDER, Recorder
from wf_dagster.tracking.retry import ask
from wf_dagster.tracking.store import get_client
from wf_dagster.tracking.text import TAG_LIMIT, checked_name, cut, plain

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

    @property
    def active_recorder(self) -> MLflowRecorder | None:
        """The recorder of this experiment that is active in this thread or task."""
        now = active.current()
        mine = now is not None and now.experiment.id == self.id and now.experiment.uri == self.uri
        return now.recorder if now is not None and mine else None

    # making and starting

    def start(
        self,
        *,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        resume: bool = False,
        parent_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
        given_uri: str | None = None,
    ) -> MLflowRecorder:
        """Start a recorder and make it active in this thread or task.

        Args:
            recorder_id: Go on with this recorder.
            recorder_name: Name of the new recorder, or with ``resume`` of the one to go on
                with; default ``"mlflow_recorder"``.
            resume: Go on with the latest recorder of that name if there is one.
            parent_run_id: The run under which a new recorder is shown.
            tags: First tags of a new recorder.
            given_uri: The address that the start was given, which holds inside it.

        Raises:
            RecorderNotFoundError: There is no recorder with that id.
        """
        recorder = None
        if recorder_id:
            recorder = self._by_id(recorder_id)
        elif resume:
            recorder = self._latest(recorder_name or DEFAULT_RECORDER)
        if recorder is None:
            recorder = self._new(recorder_name, parent_run_id, {**(tags or {}), **first_tags()})
            recorder.go_live()
        else:
            recorder.start_run()
        active.push(active.Active(self, recorder, given_uri))
        return recorder

    def end(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder of this experiment, if there is one, with this status."""
        depth = active.innermost()
        if depth is not None and self.active_recorder is not None:
            leave(depth, recorder_status)

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
        recorder = self._new(recorder_name, parent_run_id, tags or {})
        ask(
            self.uri,
            "making a run",
            lambda: get_client(self.uri).update_run(recorder.id, status=Recorder.STATUS_S),
        )
        recorder.status = Recorder.STATUS_S
        return recorder

    def _new(
        self, name: str | None, parent_run_id: str | None, tags: Mapping[str, Any]
    ) -> MLflowRecorder:
        given = {KIND_TAG: RECORDER, **tags}
        if parent_run_id:
            given[PARENT_TAG] = parent_run_id
        texts = {
            checked_name("tag", k): cut(plain(v), TAG_LIMIT, "no file") for k, v in given.items()
        }
        started = _unique_now()
        run = ask(
            self.uri,
            "making a run",
            lambda: get_client(self.uri).create_run(
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

        Args:
            recorder_id: An id; one that is not there is an error, as it cannot be made.
            recorder_name: A name.
            create: Make a recorder if there is none of that name, or nothing was given and
                none is active.
            start: Start the recorder that was made, and make it active.

        Raises:
            RecorderNotFoundError: There is none and it is not to be made.
        """
        if recorder_id:
            return self._by_id(recorder_id)
        if not recorder_name and self.active_recorder is not None:
            return self.active_recorder
        if not recorder_name and not create:
            raise RecorderNotFoundError(
                f"no recorder of experiment {self.name!r} is active: work inside `with "
                "R.start(...)`, or say which one with recorder_id or recorder_name"
            )
        found = self._latest(recorder_name) if recorder_name else None
        if found is not None:
            return found
        if not create:
            raise RecorderNotFoundError(
                f"experiment {self.name!r} has no recorder called {recorder_name!r}: "
                "R.list_recorders(...) lists them"
            )
        if start:
            return self.start(recorder_name=recorder_name)
        return self.create_recorder(recorder_name)

    def _by_id(self, recorder_id: str) -> MLflowRecorder:
        found = search.recorder_by_id(recorder_id, self.uri)
        if found.experiment_id != self.id:
            raise RecorderNotFoundError(
                f"recorder {recorder_id!r} belongs to experiment {found.experiment_id!r}, not to "
                f"{self.name!r} (id {self.id!r}): leave the experiment out, or name the right one"
            )
        return found

    def _latest(self, name: str) -> MLflowRecorder | None:
        found = self.search(f"attributes.run_name = {literal(name)}", 1)
        return found[0] if found else None

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
        found = self.search(" and ".join(terms), max_results)
        return found if rtype == self.RT_L else {r.id: r for r in found}

    def search(self, filter_string: str = "", limit: int | None = None) -> list[MLflowRecorder]:
        """The recorders that MLflow's filter finds, newest first."""
        found = search.runs(self.uri, [self.id], filter_string, limit=limit)
        return [MLflowRecorder(run, self.uri) for run in found]

    def by_id(self, ids: Iterable[str]) -> dict[str, MLflowRecorder]:
        """Recorders by their ids, in one search; those that are not there are left out."""
        return search.recorders_by_id(ids, self.id, self.uri)

    def search_records(
        self,
        filter_string: str | None = None,
        run_view_type: int | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The recorders that a search finds, as a frame; see ``R.search_records``."""
        found = search.runs(
            self.uri,
            [self.id],
            filter_string or "",
            view=run_view_type or search.ACTIVE_ONLY,
            limit=max_results,
            order_by=order_by or search.NEWEST_FIRST,
        )
        return search.frame(list(found))

    def delete_recorder(
        self, recorder_id: str | None = None, recorder_name: str | None = None
    ) -> None:
        """Delete a recorder by id, or the latest of a name.

        Raises:
            RecorderNotFoundError: There is none, or neither is given.
        """
        if not recorder_id and not recorder_name:
            raise RecorderNotFoundError("say which recorder to delete: give its id or its name")
        found = self.get_recorder(recorder_id, recorder_name, create=False)
        ask(self.uri, "deleting a run", lambda: get_client(self.uri).delete_run(found.id))


def leave(depth: int, status: str) -> None:
    """End the recorders of the start at this depth and of those inside it, innermost first.

    One whose store does not answer stays active, so that ending it can be tried again.
    """
    check_status(status)
    failure: TrackingError | None = None
    for one in active.since(depth):
        if one.recorder.running and one.recorder.is_own:
            try:
                one.recorder.end_run(status)
            except TrackingError as error:
                failure = failure or error
    if failure is not None:
        raise failure
    active.pop(depth)


def literal(text: str) -> str:
    """A text as MLflow's filter takes it.

    Raises:
        TrackingError: It holds both kinds of quotes.
    """
    quote = '"' if "'" in text else "'"
    if quote in text:
        raise TrackingError(
            f"{text!r} cannot be searched for: MLflow's filter knows no text with both ' and \""
        )
    return f"{quote}{text}{quote}"


_last_start = 0
_starting = threading.Lock()


def _unique_now() -> int:
    """Milliseconds since 1970, never the same twice, so that the latest recorder is one."""
    global _last_start
    with _starting:
        _last_start = max(time.time_ns() // 1_000_000, _last_start + 1)
        return _last_start
