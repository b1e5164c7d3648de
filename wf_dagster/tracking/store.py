"""The MLflow client of an address, and whether the store behind it lives."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from filelock import FileLock

from wf_dagster.errors import TrackingError
from wf_dagster.extras import extra_of, pip_command
from wf_dagster.process import call_in_forked_children, set_default_variables
from wf_dagster.tracking.active_starts import default_uri, tracking_uri
from wf_dagster.tracking.addresses import (
    hide_password,
    is_folder,
    is_remote,
    local_path,
    page_url,
    sqlite_path,
)
from wf_dagster.tracking.home_record import HomeRecord
from wf_dagster.tracking.store_calls import call_with_retry
from wf_dagster.tracking.tracking_settings import make_home_of, place_of, store_patience

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

_T = TypeVar("_T")
PING_SECONDS = 5.0
_DEFAULTS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # Failed calls are tried again here (store_calls.py) until a deadline; MLflow's own ten minutes
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
    return _open_store(tracking_uri(uri), os.getpid()).client


def current_files(uri: str, files: str) -> str:
    """The present address of a run's files, in a store whose home folder may have been moved.

    Args:
        uri: The address of the store.
        files: The address of the files, as the store may have known it for long.

    Raises:
        TrackingError: The store cannot be opened.
    """
    home = _open_store(uri, os.getpid()).home
    return files if home is None else home.current(files)


def current_store(uri: str) -> str:
    """The present address of the default store, if this is one of before its home was moved.

    Args:
        uri: An address that somebody kept.

    Raises:
        TrackingError: The default store cannot be opened.
    """
    default = default_uri()
    file, present = sqlite_path(uri), sqlite_path(default)
    if uri == default or file is None or present is None or not present.is_file():
        return uri
    home = _open_store(default, os.getpid()).home
    return default if home is not None and home.places.current_path(file) == present else uri


def client_modules(uri: str | None = None) -> list[str]:
    """The modules that the client of an address needs, for a process about to be forked."""
    set_default_variables(_DEFAULTS)
    address = tracking_uri(uri)
    kind = "rest" if is_remote(address) else "file" if is_folder(address) else "sqlalchemy"
    return ["mlflow.tracking", f"mlflow.store.tracking.{kind}_store"]


def call_store(
    uri: str,
    what: str,
    call: Callable[[MlflowClient], _T],
    *,
    patience: float | None = None,
) -> _T:
    """Call the store of an address; a failure that may pass is waited out.

    Args:
        uri: Its address.
        what: What the call does, for messages.
        call: The call, which is given the client; it may be made several times.
        patience: Seconds for which a failing store is asked again; default the setting
            ``tracking_patience``.

    Raises:
        StoreError: It failed for good, or for too long.
        TrackingError: The store cannot be opened.
    """
    patience = store_patience() if patience is None else patience
    return call_with_retry(uri, what, lambda: call(get_client(uri)), patience=patience)


def run_url(experiment_id: str, run_id: str, uri: str | None = None) -> str:
    """Link to a run's page: on the tracking server, or on the local page (``WF_MLFLOW_UI_URL``)."""
    return page_url(tracking_uri(uri), experiment_id, run_id)


@dataclass(frozen=True)
class _OpenStore:
    """A store that this process has opened.

    Attributes:
        client: MLflow's client.
        home: Where the home folder is that goes with an SQLite file.
    """

    client: MlflowClient
    home: HomeRecord | None


@lru_cache(maxsize=8)
def _open_store(uri: str, _pid: int) -> _OpenStore:
    set_default_variables(_DEFAULTS)
    for name in ("alembic", "mlflow.tracking.fluent"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # it prints a traceback for every failure that is waited out here
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    check_tracking(uri)

    from mlflow.tracking import MlflowClient  # slow to import

    # Several processes that make the tables of a new file at once would fail.
    database = sqlite_path(uri)
    with FileLock(f"{database}.lock") if database else nullcontext():
        client = MlflowClient(tracking_uri=uri)
        call_with_retry(
            uri,
            "opening it",
            lambda: client.search_experiments(max_results=1),
            patience=store_patience(),
        )
        home = None
        if database is not None and database.is_file():
            home = HomeRecord(database, place_of(database), store_patience())
            call_with_retry(uri, "opening it", home.settle, patience=store_patience())
    return _OpenStore(client, home)


def _leave_connections_to_parent() -> None:
    """A forked child must not use its parent's database connections.

    MLflow keeps an engine for each address; each gets a new pool there, as SQLAlchemy would have
    it after a fork, and the connections of the old one are left to the parent.
    """
    _open_store.cache_clear()
    module = sys.modules.get("mlflow.store.tracking.sqlalchemy_store")
    if module is not None:
        for engine in list(module.SqlAlchemyStore._engine_map.values()):
            engine.dispose(close=False)


call_in_forked_children(_leave_connections_to_parent)


def check_tracking(uri: str | None = None) -> None:
    """Ask the store for a sign of life, in bounded time.

    Raises:
        TrackingError: It gives none.
    """
    uri = tracking_uri(uri)
    if is_folder(uri):
        _check_folder(uri)
        return
    scheme = urlsplit(uri).scheme
    try:
        if scheme in {"http", "https"}:
            _ping_server(uri)
        elif scheme != "databricks":
            _ping_database(uri)
    except TrackingError:
        raise
    except ModuleNotFoundError as error:
        extra = extra_of(error.name)
        remedy = pip_command(extra) if extra else "install it"
        raise TrackingError(
            f"the MLflow store {hide_password(uri)} needs the driver {error.name!r}, which is not "
            f"installed: {remedy}"
        ) from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TrackingError(
            f"the MLflow store {hide_password(uri)} does not answer ({reason}): start it, or give "
            "another with wf_dagster.init(tracking_uri=...) or WF_TRACKING_URI"
        ) from error


def _check_folder(uri: str) -> None:
    from mlflow import environment_variables  # slow to import

    opt_out = getattr(environment_variables, "MLFLOW_ALLOW_FILE_STORE", None)
    if opt_out is None or opt_out.get():  # before there was such a variable it took every folder
        return
    folder = local_path(uri)
    raise TrackingError(
        f"tracking_uri {uri!r} is a plain folder, which MLflow keeps no runs in any more: `mlflow "
        f"migrate-filestore --source {folder} --target sqlite:////path/to/mlflow.db` copies what "
        "is in it, then use that address; or set the variable MLFLOW_ALLOW_FILE_STORE=true to go "
        "on with the folder"
    )


def _ping_server(uri: str) -> None:
    import requests  # slow to import

    answer = requests.get(f"{uri.rstrip('/')}/health", timeout=PING_SECONDS)
    if answer.status_code >= 500:
        raise TrackingError(
            f"the MLflow store {hide_password(uri)} answers {answer.status_code} {answer.reason}: "
            "look at its log, or give another with WF_TRACKING_URI"
        )


def _ping_database(uri: str) -> None:
    import sqlalchemy  # slow to import

    path = sqlite_path(uri)
    if path is not None and not make_home_of(path) and not path.parent.is_dir():
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
