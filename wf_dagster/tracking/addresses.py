"""Addresses: of tracking stores, of artifacts, of a run's page."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from wf_dagster.sqlite_urls import sqlite_file

LOCAL_PAGE = "http://localhost:5000"
_SERVERS = {"http", "https", "databricks"}


def page_url(uri: str, experiment_id: str, run_id: str) -> str:
    """Link to a run's page: on the tracking server, or on the local page (``WF_MLFLOW_UI_URL``)."""
    page = uri if uri.startswith("http") else os.environ.get("WF_MLFLOW_UI_URL", LOCAL_PAGE)
    return f"{hide_password(page).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def is_remote(uri: str) -> bool:
    """Whether a server stands behind a tracking address, not a database."""
    return urlsplit(uri).scheme in _SERVERS


def is_folder(uri: str) -> bool:
    """Whether a tracking address is a plain folder of runs, such as ``./mlruns``."""
    return urlsplit(uri).scheme in {"", "file"}


def sqlite_path(uri: str) -> Path | None:
    """The absolute path of the file behind an SQLite address."""
    if not urlsplit(uri).scheme.startswith("sqlite"):
        return None
    return (sqlite_file(uri) or Path()).absolute()


def folder_beside(uri: str) -> str | None:
    """The address of the folder for files beside an SQLite database."""
    database = sqlite_path(uri)
    return None if database is None else (database.parent / "artifacts").as_uri()


def local_path(artifact_uri: str) -> Path | None:
    """The folder behind an artifact address, if it is on this machine."""
    parts = urlsplit(artifact_uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(artifact_uri) if parts.scheme == "" else None


def hide_password(uri: str) -> str:
    """An address without its password."""
    if urlsplit(uri).password is None:
        return uri
    from sqlalchemy.engine import make_url  # slow to import

    return make_url(uri).render_as_string(hide_password=True)
