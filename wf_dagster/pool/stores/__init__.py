"""The stores of the task pool: MongoDB, and SQL (SQLite, PostgreSQL)."""

from wf_dagster.pool.stores.base import Document, Query, Store, open_store, safe

__all__ = ["Document", "Query", "Store", "open_store", "safe"]
