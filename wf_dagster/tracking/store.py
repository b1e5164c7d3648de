"""The MLflow client of an address, and whether the store behind it lives."""

from __future__ import annotations

import logging
import os
import sys
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wf_dagster.errors import TrackingError
from wf_dagster.settings import get_settings
from wf_dagster.tracking.addresses import safe, sqlite_path, tracking_uri
from wf_dagster.tracking.retry import ask

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

PING_SECONDS = 5.0
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Failed calls are tried again here (retry.py) until a deadline; MLflow's own ten minutes
    # for one call would make that deadline mean nothing.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    # one for each object that is read would fill the screen of whoever collects recorders
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}


def get_client(uri: str | None = None) -> MlflowClient:
    """The client of an address; one a process and address.

    Raises:
        TrackingError: The store cannot be opened.
        SettingsError: The home folder of the default store cannot be written.
    """
    return _client(tracking_uri(uri), os.getpid())


def lock_folder() -> Path:
    """Where files lie that processes of this machine lock; the folder is made.

    Raises:
        SettingsError: The home folder cannot be written.
    """
    folder = get_settings().make_home() / "locks"
    folder.mkdir(exist_ok=True)
    return folder


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
    for name in ("alembic", "mlflow.tracking.fluent"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # it prints a traceback for every failure that is waited out here
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    check_tracking(uri)

    from filelock import FileLock
    from mlflow.tracking import MlflowClient

    # Several processes that make the tables of a new file at once would fail.
    database = sqlite_path(uri)
    with FileLock(f"{database}.lock") if database else nullcontext():
        client = MlflowClient(tracking_uri=uri)
        ask(uri, "opening it", lambda: client.search_experiments(max_results=1))
    return client


def _forget_connections() -> None:
    """A forked child must not use its parent's database connections."""
    _client.cache_clear()
    module = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    if module is not None:
        module.SqlAlchemyStore._engine_map.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_connections)


def check_tracking(uri: str | None = None) -> None:
    """Ask the store for a sign of life, in bounded time.

    Raises:
        TrackingError: It gives none.
    """
    uri = tracking_uri(uri)
    scheme = urlsplit(uri).scheme
    if scheme in {"", "file"}:
        raise TrackingError(
            f"tracking_uri {uri!r} is a plain folder, which MLflow no longer keeps runs in: use "
            "a file such as sqlite:////path/to/mlflow.db, or the address of a server"
        )
    try:
        if scheme in {"http", "https"}:
            _ping_server(uri)
        elif scheme != "databricks":
            _ping_database(uri)
    except TrackingError:
        raise
    except ModuleNotFoundError as error:
        known = scheme.startswith("postgresql")
        remedy = 'pip install "wf-dagster[postgres]"' if known else "install it"
        raise TrackingError(
            f"the MLflow store {safe(uri)} needs the driver {error.name!r}, which is not "
            f"installed: {remedy}"
        ) from error
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
