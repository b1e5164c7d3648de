"""Every test of this room has a tracking store of its own."""

from tests.stores import made_store, ready_store

__all__ = ["made_store", "ready_store"]
