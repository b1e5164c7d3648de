"""What a task is found by: its fingerprint, and its definition as plain JSON."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import threading
import time
from typing import Any

from wf_dagster.tasks.fingerprint import canonical_json

_NUL = "\\u0000"
_NUL_ESCAPED = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_lock = threading.Lock()
_last = 0


def identify_definition(definition: Any) -> tuple[str, Any]:
    """The fingerprint of a definition, and the JSON value that queries on ``filter`` see.

    Raises:
        TaskError: The definition holds something that has no canonical form.
    """
    text = canonical_json(definition)
    return hashlib.sha256(text.encode()).hexdigest(), _load_plain(text)


def to_plain_json(value: Any) -> Any:
    """A value of a query in the form that ``filter`` holds it: dates as ISO strings, and so on."""
    return _load_plain(canonical_json(value))


def _load_plain(text: str) -> Any:
    """What every store can keep: no nan or infinity, no NUL, no integer beyond 64 bits."""
    if _NUL in text:
        # an even number of backslashes before it, and it is one that JSON wrote
        text = _NUL_ESCAPED.sub(r"\1\\u2400", text)
    return json.loads(text, parse_constant=str, parse_int=_parse_integer)


def _parse_integer(digits: str) -> int | str:
    return int(digits) if len(digits) < 20 and -(2**63) <= int(digits) < 2**63 else digits


def make_task_id() -> str:
    """A new task id: 24 hexadecimal digits, as MongoDB's, that grow with time."""
    global _last
    with _lock:
        _last = max(_last + 1, time.time_ns() // 1000)
        return f"{_last:014x}{secrets.token_hex(5)}"
