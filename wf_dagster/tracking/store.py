"""The MLflow client of an address, and MLflow's errors in our words."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from wf_dagster.errors import TrackingError
from wf_dagster.settings import get_settings

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PING_SECONDS = 5.0
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",  # with back-off: half a minute, not ten
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}


def tracking_uri(uri: str | None = None) -> str:
    """The address given, or that of the settings."""
    return uri or get_settings().resolved_tracking_uri()


def get_client(uri: str | None = None) -> MlflowClient:
    """The client of an address; one a process and address.

    Raises:
        TrackingError: The store cannot be opened.
        SettingsError: The home folder of the default store cannot be written.
    """
    return _client(tracking_uri(uri), os.getpid())


def client_modules(uri: str | None = None) -> list[str]:
    """The modules that the client of an address needs, for a process about to be forked."""
    _set_defaults()
    remote = urlsplit(tracking_uri(uri)).scheme in {"http", "https", "databricks"}
    return ["mlflow.tracking", f"mlflow.store.tracking.{'rest' if remote else 'sqlalchemy'}_store"]


def _set_defaults() -> None:
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)


@lru_cache(maxsize=8)
def _client(uri: str, _pid: int) -> MlflowClient:
    _set_defaults()
    for name in ("alembic", "mlflow.store.db.utils", "mlflow.tracking.fluent"):
        logging.getLogger(name).setLevel(logging.WARNING)
    check_tracking(uri)

    from filelock import FileLock
    from mlflow.tracking import MlflowClient

    # Several processes that make the tables of a new file at once would fail.
    database = sqlite_path(uri)
    lock = FileLock(f"{database}.lock") if database else nullcontext()
    with translated(uri), lock:
        client = MlflowClient(tracking_uri=uri)
        client.search_experiments(max_results=1)
    return client


def check_tracking(uri: str | None = None) -> None:
    """Ask the store for a sign of life, in bounded time.

    Raises:
        TrackingError: It gives none.
    """
    uri = tracking_uri(uri)
    scheme = urlsplit(uri).scheme
    try:
        if scheme in {"http", "https"}:
            _ping_server(uri)
        elif scheme != "databricks":
            _ping_database(uri)
    except TrackingError:
        raise
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrackingError(
            f"the MLflow store {safe(uri)} does not answer ({reason}): start it, or give another "
            "with wf_dagster.init(tracking_uri=...) or WF_TRACKING_URI"
        ) from error


def _ping_server(uri: str) -> None:
    import requests

    answer = requests.get(f"{uri.rstrip('/')}/health", timeout=PING_SECONDS)
    if answer.status_code >= 500:
        raise TrackingError(
            f"the MLflow store {safe(uri)} answers {answer.status_code} {answer.reason}: look at "
            "its log, or give another with WF_TRACKING_URI"
        )


def _ping_database(uri: str) -> None:
    import sqlalchemy

    path = sqlite_path(uri)
    if path is not None:
        if path.is_relative_to(get_settings().home):
            get_settings().make_home()
        elif not path.parent.is_dir():
            raise TrackingError(
                f"tracking_uri {uri!r}: the folder {path.parent} does not exist; make it, or "
                "give another with WF_TRACKING_URI"
            )
    timeout = {"connect_timeout": int(PING_SECONDS)} if uri.startswith("postgresql") else {}
    engine = sqlalchemy.create_engine(uri, connect_args=timeout)
    try:
        with engine.connect() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
    finally:
        engine.dispose()


@contextmanager
def translated(uri: str | None = None, what: str = "") -> Iterator[None]:
    """MLflow's own errors as a :class:`TrackingError` that names the store."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        lines = str(error).splitlines() or [type(error).__name__]
        doing = f" while {what}" if what else ""
        raise TrackingError(
            f"the MLflow store {safe(tracking_uri(uri))} failed{doing}: {lines[0]}"
        ) from error


def run_url(experiment_id: str, run_id: str, uri: str | None = None) -> str:
    """Link to a run's page: on the tracking server, or on the local page (``WF_MLFLOW_UI_URL``)."""
    uri = tracking_uri(uri)
    page = uri if uri.startswith("http") else os.environ.get("WF_MLFLOW_UI_URL", LOCAL_PAGE)
    return f"{page.rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


LOCAL_PAGE = "http://localhost:5000"


def sqlite_path(uri: str) -> Path | None:
    """The file behind an SQLite address."""
    parts = urlsplit(uri)
    if not parts.scheme.startswith("sqlite"):
        return None
    return Path(parts.path[1:] or ".").absolute()


def local_path(artifact_uri: str) -> Path | None:
    """The folder behind an artifact address, if it is on this machine."""
    parts = urlsplit(artifact_uri)
    if parts.scheme == "file":
        from urllib.request import url2pathname

        return Path(url2pathname(parts.path))
    return Path(artifact_uri) if parts.scheme == "" else None


def safe(uri: str) -> str:
    """An address without its password."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return uri.replace(f":{parts.password}@", ":***@")


def plain(value: Any) -> str:
    """A parameter or tag as MLflow keeps it."""
    return value if isinstance(value, str) else str(value)
