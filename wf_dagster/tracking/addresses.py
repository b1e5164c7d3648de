"""Addresses: of tracking stores, of artifacts, of a run's page."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from wf_dagster.settings import get_settings
from wf_dagster.tracking.active import current_uri

LOCAL_PAGE = "http://localhost:5000"


def tracking_uri(uri: str | None = None) -> str:
    """The address given, else that of the active recorder, else that of the settings."""
    return uri or current_uri()


def run_url(experiment_id: str, run_id: str, uri: str | None = None) -> str:
    """Link to a run's page: on the tracking server, or on the local page (``WF_MLFLOW_UI_URL``)."""
    uri = tracking_uri(uri)
    page = uri if uri.startswith("http") else os.environ.get("WF_MLFLOW_UI_URL", LOCAL_PAGE)
    return f"{safe(page).rstrip('/')}/#/experiments/{experiment_id}/runs/{run_id}"


def sqlite_path(uri: str) -> Path | None:
    """The file behind an SQLite address."""
    parts = urlsplit(uri)
    if not parts.scheme.startswith("sqlite"):
        return None
    return Path(parts.path[1:] or ".").absolute()


def beside(uri: str) -> str | None:
    """Where files go that belong to a store which is not that of the settings."""
    database = sqlite_path(uri)
    if database is not None:
        return (database.parent / "artifacts").as_uri()
    if urlsplit(uri).scheme in {"http", "https", "databricks"}:
        return None
    return (get_settings().home / "artifacts").as_uri()


def local_path(artifact_uri: str) -> Path | None:
    """The folder behind an artifact address, if it is on this machine."""
    parts = urlsplit(artifact_uri)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return Path(artifact_uri) if parts.scheme == "" else None


def safe(uri: str) -> str:
    """An address without its password."""
    parts = urlsplit(uri)
    if parts.password is None:
        return uri
    return uri.replace(f":{parts.password}@", ":***@")
