"""What the settings say of tracking. Nothing else in this room asks them."""

from __future__ import annotations

import re
from pathlib import Path

from wf_dagster.settings import get_settings, update_settings
from wf_dagster.start_hooks import users_default_experiment
from wf_dagster.tracking.addresses import folder_beside, is_folder, is_remote

DEFAULT_EXPERIMENT = "Experiment"


def default_tracking_uri() -> str:
    """The tracking address of the settings, or else of the user's own ``qlib.init``."""
    users_default_experiment()
    return get_settings().resolved_tracking_uri()


def default_experiment() -> str:
    """The name of the experiment that is meant when none is named."""
    return users_default_experiment() or DEFAULT_EXPERIMENT


def set_tracking_uri(uri: str | None) -> None:
    """Change the tracking address of the settings; ``None`` goes back to the one in ``home``.

    Raises:
        SettingsError: It is no address that MLflow knows.
    """
    update_settings(tracking_uri=uri or "")


def artifact_location(uri: str, experiment_name: str) -> str | None:
    """Where a new experiment keeps its files; ``None`` leaves it to the server, or the folder.

    Args:
        uri: The tracking address of the experiment.
        experiment_name: Its name.
    """
    settings = get_settings()
    if uri == settings.resolved_tracking_uri() or settings.artifact_location:
        location = settings.resolved_artifact_location()
    elif is_remote(uri) or is_folder(uri):
        location = None
    else:  # a store that is not that of the settings
        location = folder_beside(uri) or (settings.home / "artifacts").as_uri()
    if location is None:
        return None
    return f"{location.rstrip('/')}/{re.sub(r'[^A-Za-z0-9._-]+', '_', experiment_name)}"


def make_home_of(database: Path) -> bool:
    """Make the home folder, if a database is to be in it.

    Returns:
        Whether it is.

    Raises:
        SettingsError: The folder cannot be made or written.
    """
    settings = get_settings()
    if not database.is_relative_to(settings.home):
        return False
    settings.make_home()
    return True


def place_of(database: Path) -> Path:
    """The folder whose place decides where a database's files are.

    Returns:
        The home folder if the database is in it, else the folder of the database.
    """
    home = get_settings().home
    return home if database.is_relative_to(home) else database.parent


def lock_folder() -> Path:
    """Where files lie that processes of this machine lock; the folder is made.

    Raises:
        SettingsError: The home folder cannot be written.
    """
    folder = get_settings().make_home() / "locks"
    folder.mkdir(exist_ok=True)
    return folder


def store_patience() -> float:
    """Seconds for which a store that fails is asked again."""
    return get_settings().tracking_patience


def logged_variables() -> list[str]:
    """Further environment variables that recorders record as tags."""
    return get_settings().log_env.replace(",", " ").split()


def trusted_modules() -> list[str]:
    """Further modules whose classes may be loaded from pickles."""
    return get_settings().list_trusted_modules()
