"""The sessions of Qlib's calendar as its files hold them, read without Qlib."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from wf_dagster.qlib_bridge.options import QlibOptions
from wf_dagster.qlib_engine.provider_files import DEFAULT, folders_of

_OF_QLIB = "~/.qlib/qlib_data/cn_data"  # where Qlib looks when nothing is said


def count_sessions(options: QlibOptions, freq: str) -> dict[dt.date, int]:
    """How many sessions of a frequency each day has; empty where that cannot be told."""
    provider = options.arguments.get("provider_uri") or options.provider_uri or _OF_QLIB
    folders = folders_of(provider)
    folder = folders.get(freq) or folders.get(DEFAULT)
    if folder is None:
        return {}
    try:
        lines = (folder / "calendars" / f"{freq}.txt").read_text().split("\n")
        return Counter(dt.datetime.fromisoformat(line.strip()).date() for line in lines if line)
    except (OSError, ValueError):
        return {}
