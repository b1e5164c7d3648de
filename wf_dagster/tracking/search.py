"""Search runs: any number of them, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pandas as pd

from wf_dagster.errors import RecorderNotFoundError
from wf_dagster.tracking.addresses import safe
from wf_dagster.tracking.keeper import KEEPER
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.retry import StoreError, ask
from wf_dagster.tracking.store import get_client

ACTIVE_ONLY = 1
PAGE = 5000
IDS = 500  # that one filter names
NEWEST_FIRST = ("attributes.start_time DESC",)


def runs(
    uri: str,
    experiment_ids: Sequence[str],
    filter_string: str = "",
    *,
    view: int = ACTIVE_ONLY,
    limit: int | None = None,
    order_by: Sequence[str] = NEWEST_FIRST,
) -> Iterator[Any]:
    """The MLflow runs that a filter finds.

    Raises:
        TrackingError: The filter is malformed, or the store fails.
    """
    KEEPER.flush(uri)
    token: str | None = None
    found = 0
    while limit is None or found < limit:
        size = PAGE if limit is None else min(PAGE, limit - found)
        page = ask(
            uri,
            "searching runs",
            lambda size=size, token=token: get_client(uri).search_runs(  # type: ignore[misc]
                list(experiment_ids), filter_string, view, size, list(order_by), token
            ),
        )
        yield from page
        found += len(page)
        token = page.token
        if not token:
            return


def recorder_by_id(recorder_id: str, uri: str) -> MLflowRecorder:
    """A recorder by its id; the one that this process has running, if it has.

    Raises:
        RecorderNotFoundError: There is none, or it was deleted.
    """
    own = KEEPER.get(recorder_id)
    if own is not None and own.uri == uri:
        return own
    try:
        run = ask(uri, "reading a run", lambda: get_client(uri).get_run(str(recorder_id)))
    except StoreError as error:
        if error.code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            raise
        raise RecorderNotFoundError(
            f"there is no recorder with the id {recorder_id!r}: R.list_recorders(...) lists them"
        ) from None
    if run.info.lifecycle_stage == "deleted":
        raise RecorderNotFoundError(
            f"recorder {recorder_id!r} was deleted: restore it with "
            f"`MLFLOW_TRACKING_URI={safe(uri)} mlflow runs restore --run-id {recorder_id}`"
        )
    return MLflowRecorder(run, uri)


def recorders_by_id(ids: Iterable[str], experiment_id: str, uri: str) -> dict[str, MLflowRecorder]:
    """Recorders of an experiment by their ids, in one search.

    Those that are not there, or were deleted, are left out.

    Raises:
        TrackingError: The store fails.
    """
    wanted = list(dict.fromkeys(ids))
    found = {}
    for first in range(0, len(wanted), IDS):
        listed = ", ".join(f"'{recorder_id}'" for recorder_id in wanted[first : first + IDS])
        for run in runs(uri, [experiment_id], f"attributes.run_id IN ({listed})"):
            own = KEEPER.get(run.info.run_id)
            mine = own is not None and own.uri == uri
            found[run.info.run_id] = own if own and mine else MLflowRecorder(run, uri)
    return found


def frame(found: Sequence[Any]) -> pd.DataFrame:
    """Runs as a frame.

    Returns:
        One row a run; columns ``run_id``, ``experiment_id``, ``status``, ``artifact_uri``,
        ``start_time`` and ``end_time`` (UTC), then ``metrics.*`` (NaN where there is none),
        ``params.*`` and ``tags.*`` (``None`` where there is none).
    """
    fixed = ("run_id", "experiment_id", "status", "artifact_uri")
    columns: dict[str, Any] = {name: [getattr(r.info, name) for r in found] for name in fixed}
    for name in ("start_time", "end_time"):
        stamps = [getattr(r.info, name) for r in found]
        moments = pd.to_datetime(pd.Series(stamps, dtype="Int64"), unit="ms", utc=True)
        columns[name] = moments.astype("datetime64[ns, UTC]")  # pandas gives ms where it can
    for kind, missing in (("metrics", float("nan")), ("params", None), ("tags", None)):
        data = [getattr(r.data, kind) for r in found]
        for name in sorted({name for one in data for name in one}):
            columns[f"{kind}.{name}"] = [one.get(name, missing) for one in data]
    return pd.DataFrame(columns)
