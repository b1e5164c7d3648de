"""The stores of the task pool: MongoDB, and SQL (SQLite, PostgreSQL)."""

from wf_dagster.pool.stores.task_store import (
    Document,
    Query,
    Store,
    hide_password,
    open_store,
    sqlite_file,
)

__all__ = ["Document", "Query", "Store", "hide_password", "open_store", "sqlite_file"]
