"""What the pool takes from the settings: the store it is in, and the modules it trusts."""

from __future__ import annotations

from pathlib import Path

from wf_dagster.market import adopt_qlib_init
from wf_dagster.pool.stores import Store, open_store
from wf_dagster.settings import get_settings
from wf_dagster.sqlite_urls import sqlite_file


def locate_store(url: str | None) -> str:
    """The address of a store, whose folder is made where it is the home folder.

    Args:
        url: The address; default that of the settings, or what ``qlib.init(mongo=...)`` was given.

    Raises:
        SettingsError: The home folder cannot be made or written.
    """
    if not url:
        adopt_qlib_init()
        url = get_settings().resolved_task_store()
    file = sqlite_file(url)
    if file is not None and _is_in_home(file):
        get_settings().make_home()
    return url


def open_located_store(url: str | None, patience: float) -> Store:
    """The store of an address, or that of the settings.

    Args:
        url: As for :func:`locate_store`.
        patience: Seconds to wait for a store that goes away.

    Raises:
        PoolInputError: The address is of no kind that a pool can be in.
        PoolStoreError: The store does not answer or refuses the login.
    """
    return open_store(locate_store(url), patience)


def list_trusted_modules() -> list[str]:
    """The modules whose classes may be loaded besides those that are always safe."""
    return get_settings().list_trusted_modules()


def _is_in_home(file: Path) -> bool:
    return file.absolute().parent.is_relative_to(get_settings().home)
