"""The stores of the task pool: MongoDB, and SQL (SQLite, PostgreSQL)."""

from wf_dagster.pool.stores.store_opening import open_store
from wf_dagster.pool.stores.task_store import Document, Query, Store, hide_password

__all__ = ["Document", "Query", "Store", "hide_password", "open_store"]
