"""What every store agrees on: statuses, names of pools, the order in which tasks are handed out."""

from __future__ import annotations

import math
import re
import struct
from typing import Any

from wf_dagster.errors import PoolInputError

WAITING = "waiting"
RUNNING = "running"
PART_DONE = "part_done"
DONE = "done"
FAILED = "failed"
STATUSES = (WAITING, RUNNING, PART_DONE, DONE, FAILED)
UNDONE = (WAITING, RUNNING, PART_DONE)
# A task is given out for these, and goes back to where it came from.
FETCHABLE = (WAITING, PART_DONE)

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST = 120  # bytes; MongoDB allows 255 for database and collection together


def check_status(status: Any) -> str:
    """The status, if there is one of that name.

    Raises:
        PoolInputError: There is none.
    """
    if status not in STATUSES:
        raise PoolInputError(
            f"status {status!r} is unknown: the statuses are {', '.join(STATUSES)}"
        )
    return str(status)


def check_pool_name(name: Any) -> str:
    """The name, if every store can keep a pool under it (the rules of a MongoDB collection).

    Raises:
        PoolInputError: It cannot.
    """
    if not isinstance(name, str) or not name.strip():
        wrong = "is no name"
    elif "$" in name:
        wrong = "holds a '$'"
    elif _CONTROL.search(name):
        wrong = "holds a control character"
    elif name.startswith("system."):
        wrong = "starts with 'system.', which MongoDB keeps for itself"
    elif name.startswith(".") or name.endswith(".") or ".." in name:
        wrong = "has an empty part beside a '.'"
    elif len(name.encode(errors="surrogatepass")) > _LONGEST:
        wrong = f"is longer than {_LONGEST} bytes"
    else:
        return name
    raise PoolInputError(
        f"task pool {name!r} {wrong}: use letters, digits, '_', '-' and single dots"
    )


def check_priority(priority: Any) -> float | None:
    """The priority, if it is a number.

    Raises:
        PoolInputError: It is not.
    """
    if priority is None:
        return None
    if isinstance(priority, bool) or not isinstance(priority, (int, float)):
        raise PoolInputError(f"priority {priority!r} is no number: larger ones are fetched first")
    if math.isnan(priority):
        raise PoolInputError("priority nan has no order: use a number, larger ones first")
    return priority


def make_turn(priority: float | None, task_id: str) -> str:
    """A text that sorts tasks as they are to be handed out.

    The largest priority first, tasks without one last, and older tasks before newer ones. One
    ascending index then serves every store, whatever it thinks of directions and nulls.

    Example:
        >>> tasks = [(2, "b"), (1.5, "a"), (-1, "a"), (None, "a"), (None, "b")]
        >>> order = [make_turn(priority, task_id) for priority, task_id in tasks]
        >>> order == sorted(order)
        True
    """
    if priority is None:
        return f"z{task_id}"
    (bits,) = struct.unpack(">Q", struct.pack(">d", float(priority) + 0.0))
    # as unsigned numbers, the bits of floats grow with the floats once the sign is turned round
    rising = bits ^ (0xFFFFFFFFFFFFFFFF if bits >> 63 else 0x8000000000000000)
    return f"{0xFFFFFFFFFFFFFFFF - rising:016x}{task_id}"
