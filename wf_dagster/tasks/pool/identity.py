"""What a task is found by: its fingerprint, and its definition as plain JSON."""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from typing import Any

from wf_dagster.tasks.fingerprint import canonical_json

_lock = threading.Lock()
_last = 0


def describe(definition: Any) -> tuple[str, Any]:
    """The fingerprint of a definition, and the JSON value that queries on ``filter`` see.

    Raises:
        TaskError: The definition holds something that has no canonical form.
    """
    text = canonical_json(definition)
    # JSON knows no nan or infinity, and PostgreSQL would refuse them
    return hashlib.sha256(text.encode()).hexdigest(), json.loads(text, parse_constant=str)


def plain(value: Any) -> Any:
    """A value of a query in the form that ``filter`` holds it: dates as ISO strings, and so on."""
    return json.loads(canonical_json(value), parse_constant=str)


def new_id() -> str:
    """A new task id: 24 hexadecimal digits, as MongoDB's, that grow with time."""
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1000)
        return f"{_last:014x}{secrets.token_hex(5)}"
