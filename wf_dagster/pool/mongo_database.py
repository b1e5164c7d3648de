"""The MongoDB database that task pools are in, for what goes beyond a pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wf_dagster.errors import PoolInputError
from wf_dagster.pool.store_access import locate_store, open_located_store
from wf_dagster.pool.stores.task_store import hide_password

if TYPE_CHECKING:
    from pymongo.database import Database

_PATIENCE = 60.0  # seconds


def get_mongodb() -> Database[dict[str, Any]]:
    """The database of the task store, which holds a collection a pool.

    Returns:
        The database of pymongo, which the pools of this process use too.

    Raises:
        PoolInputError: The task store is no MongoDB.
        PoolStoreError: The server does not answer or refuses the login.
    """
    url = locate_store(None)
    database: Database[dict[str, Any]] | None = getattr(
        open_located_store(url, _PATIENCE), "database", None
    )
    if database is None:
        raise PoolInputError(
            f"the task store is {hide_password(url)}, no MongoDB: give another with "
            "qlib.init(mongo={'task_url': ..., 'task_db_name': ...}), "
            "wf_dagster.init(task_store='mongodb://host:port/name') or WF_TASK_STORE; TaskManager "
            "works with any"
        )
    return database
