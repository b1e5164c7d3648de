"""Search runs: any number of them, page by page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from wf_dagster.errors import RecorderNotFoundError, StoreError, TrackingError
from wf_dagster.tracking.addresses import hide_password
from wf_dagster.tracking.heartbeat_thread import HEARTBEAT_THREAD
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.run_kinds import KIND_TAG, is_training
from wf_dagster.tracking.store import call_store, current_files

ACTIVE_ONLY = 1
_PAGE_SIZE = 5000
_FEWEST = 10  # runs of a page: the first of them may not be wanted
_MOST_IDS = 500  # that one filter names
NEWEST_FIRST = ("attributes.start_time DESC",)


def find_runs(
    uri: str,
    experiment_ids: Sequence[str],
    filter_string: str = "",
    *,
    view: int = ACTIVE_ONLY,
    limit: int | None = None,
    order_by: Sequence[str] = NEWEST_FIRST,
    is_wanted: Callable[[Mapping[str, str]], bool] = lambda tags: True,
) -> Iterator[Any]:
    """The MLflow runs that a filter finds.

    Args:
        uri: The tracking address.
        experiment_ids: Where to look.
        filter_string: MLflow's filter.
        view: Without deleted ones, or only these.
        limit: At most so many.
        order_by: As MLflow takes it.
        is_wanted: Says by its tags whether a run counts: MLflow's filter finds no run that lacks a
            tag.

    Raises:
        TrackingError: The filter is malformed, or the store fails.
    """
    HEARTBEAT_THREAD.flush(uri)
    token: str | None = None
    count = 0
    while limit is None or count < limit:
        left = _PAGE_SIZE if limit is None else max(limit - count, _FEWEST)
        size = min(_PAGE_SIZE, left)
        page = call_store(
            uri,
            "searching runs",
            lambda client, size=size, token=token: client.search_runs(  # type: ignore[misc]
                list(experiment_ids), filter_string, view, size, list(order_by), token
            ),
        )
        wanted = [run for run in page if is_wanted(run.data.tags)]
        yield from wanted[: None if limit is None else limit - count]
        count += len(wanted)
        token = page.token
        if not token:
            return


def recorder_by_id(recorder_id: str, uri: str) -> MLflowRecorder:
    """A recorder by its id; the one that this process has running, if it has.

    Raises:
        RecorderNotFoundError: There is none, or it was deleted.
    """
    own = _running_here(recorder_id, uri)
    if own is not None:
        return own
    try:
        run = call_store(uri, "reading a run", lambda client: client.get_run(str(recorder_id)))
    except StoreError as error:
        if error.code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RecorderNotFoundError(
            f"there is no recorder with the id {recorder_id!r}: R.list_recorders(...) lists them"
        ) from None
    if run.info.lifecycle_stage == "deleted":
        raise RecorderNotFoundError(
            f"recorder {recorder_id!r} was deleted: restore it with "
            f"`MLFLOW_TRACKING_URI={hide_password(uri)} mlflow runs restore --run-id {recorder_id}`"
        )
    return MLflowRecorder(run, uri)


def recorders_by_id(ids: Iterable[str], experiment_id: str, uri: str) -> dict[str, MLflowRecorder]:
    """Recorders of an experiment by their ids, in one search.

    Those that are not there, or were deleted, are left out.

    Raises:
        TrackingError: The store fails.
    """
    wanted = list(dict.fromkeys(ids))
    recorders = {}
    for first in range(0, len(wanted), _MOST_IDS):
        listed = ", ".join(f"'{recorder_id}'" for recorder_id in wanted[first : first + _MOST_IDS])
        for run in find_runs(uri, [experiment_id], f"attributes.run_id IN ({listed})"):
            own = _running_here(run.info.run_id, uri)
            recorders[run.info.run_id] = own or MLflowRecorder(run, uri)
    return recorders


def _running_here(recorder_id: str, uri: str) -> MLflowRecorder | None:
    recorder = HEARTBEAT_THREAD.get(recorder_id)
    return recorder if recorder is not None and recorder.uri == uri else None


def search_frame(
    uri: str,
    experiment_ids: Sequence[str],
    filter_string: str | None = None,
    run_view_type: int | None = None,
    max_results: int | None = None,
    order_by: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The runs of experiments that a search finds, as a frame; see ``R.search_records``."""
    runs = find_runs(
        uri,
        experiment_ids,
        filter_string or "",
        view=run_view_type or ACTIVE_ONLY,
        limit=max_results,
        order_by=order_by or NEWEST_FIRST,
        is_wanted=kind_filter(filter_string),
    )
    return to_frame(list(runs), uri)


def kind_filter(filter_string: str | None) -> Callable[[Mapping[str, str]], bool]:
    """Which runs a search for recorders finds: trainings, unless it names another kind itself."""
    return (lambda tags: True) if filter_string and KIND_TAG in filter_string else is_training


def to_frame(runs: Sequence[Any], uri: str) -> pd.DataFrame:
    """Runs as a frame.

    Args:
        runs: MLflow runs.
        uri: The tracking address they were found at.

    Returns:
        One row a run; columns ``run_id``, ``experiment_id``, ``status``, ``artifact_uri``,
        ``start_time`` and ``end_time`` (UTC), then ``metrics.*`` (NaN where there is none),
        ``params.*`` and ``tags.*`` (``None`` where there is none).
    """
    fixed = ("run_id", "experiment_id", "status", "artifact_uri")
    columns: dict[str, Any] = {name: [getattr(r.info, name) for r in runs] for name in fixed}
    columns["artifact_uri"] = [current_files(uri, files) for files in columns["artifact_uri"]]
    for name in ("start_time", "end_time"):
        stamps = [getattr(r.info, name) for r in runs]
        moments = pd.to_datetime(pd.Series(stamps, dtype="Int64"), unit="ms", utc=True)
        columns[name] = moments.astype("datetime64[ns, UTC]")  # pandas gives ms where it can
    for kind, missing in (("metrics", float("nan")), ("params", None), ("tags", None)):
        data = [getattr(r.data, kind) for r in runs]
        for name in sorted({name for values in data for name in values}):
            columns[f"{kind}.{name}"] = [values.get(name, missing) for values in data]
    return pd.DataFrame(columns)


def quote_text(text: str) -> str:
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
