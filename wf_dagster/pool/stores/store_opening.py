"""Which store an address means."""

from __future__ import annotations

import os
from functools import lru_cache

from wf_dagster.errors import PoolInputError, PoolStoreError
from wf_dagster.extras import optional_import
from wf_dagster.pool.stores.task_store import Store, hide_password, read_scheme


def open_store(url: str, patience: float) -> Store:
    """The store of an address; one a process.

    Args:
        url: ``mongodb://host:port/name``, ``sqlite:////path/to/file``, ``postgresql://...``.
        patience: Seconds to wait for a store that goes away.

    Raises:
        PoolInputError: The address is of another kind.
        PoolStoreError: The store does not answer or refuses the login, or its driver is not
            installed.
    """
    return _open_store(url, patience, os.getpid())


@lru_cache(maxsize=32)
def _open_store(url: str, patience: float, _pid: int) -> Store:
    scheme = read_scheme(url)
    if scheme == "mongodb":
        with optional_import("mongo", f"task store {hide_password(url)}", PoolStoreError):
            from wf_dagster.pool.stores.mongo import MongoStore  # slow to import

        return MongoStore(url, patience)
    if scheme in ("sqlite", "postgresql"):
        from wf_dagster.pool.stores.sql import SqlStore  # slow to import

        return SqlStore(url, patience)
    raise PoolInputError(
        f"task store {hide_password(url)!r}: use mongodb://host:port/name, "
        "sqlite:////path/to/tasks.db or postgresql://user:password@host/name"
    )
