"""The sessions that prices had when they were last read: what is known of them without reading.

Days are one bit each, so that a century takes five kilobytes.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wf_dagster.log_once import warn_once

_log = logging.getLogger(__name__)
_FORMAT = 1
_LONGEST = 200 * 366  # days; a calendar that is longer is not recorded


@dataclass(frozen=True)
class SessionRecord:
    """Sessions, and what was known of their prices.

    Attributes:
        days: The days that have sessions, sorted; those to come included.
        last: The last day with prices.
        bars: The sessions of each day; ``None`` where each has one.
        grew: Whether prices were still coming when they were read.
        state: Changes with the files of the prices; empty where nothing says so.
    """

    days: list[dt.date]
    last: dt.date
    bars: list[int] | None = None
    grew: bool = False
    state: str = ""


def read_record(file: Path) -> SessionRecord | None:
    """What a file holds; ``None`` where it is not there, or no record."""
    try:
        content = json.loads(file.read_text())
        if content["format"] != _FORMAT:
            return None
        days = list(_unpack(dt.date.fromisoformat(content["first"]), content["days"]))
        last = dt.date.fromisoformat(content["last"])
        bars = _unpack_bars(content["bars"], len(days))
        return SessionRecord(days, last, bars, content["grew"], content["state"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        warn_once(_log, f"{file} is no record of sessions ({error}): it is left aside")
        return None


def write_record(file: Path, record: SessionRecord) -> None:
    """Put a record into a file, whole or not at all; nothing where it holds just that."""
    if (record.days[-1] - record.days[0]).days > _LONGEST:
        return
    text = json.dumps(
        {
            "format": _FORMAT,
            "first": record.days[0].isoformat(),
            "last": record.last.isoformat(),
            "grew": record.grew,
            "state": record.state,
            "days": _pack(record.days),
            "bars": None if record.bars is None else _pack_bars(record.bars),
        }
    )
    with suppress(OSError):  # a folder that cannot be written: the next one to read them records
        if file.is_file() and file.read_text() == text:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(text)
        part.replace(file)


def _pack(days: list[dt.date]) -> str:
    first = days[0].toordinal()
    bits = bytearray((days[-1].toordinal() - first) // 8 + 1)
    for day in days:
        place = day.toordinal() - first
        bits[place // 8] |= 1 << place % 8
    return base64.b64encode(bits).decode()


def _unpack(first: dt.date, text: str) -> Iterator[dt.date]:
    start = first.toordinal()
    for place, byte in enumerate(base64.b64decode(text)):
        for bit in range(8):
            if byte >> bit & 1:
                yield dt.date.fromordinal(start + 8 * place + bit)


def _pack_bars(bars: list[int]) -> dict[str, Any]:
    usual = Counter(bars).most_common(1)[0][0]
    return {"usual": usual, "others": {n: count for n, count in enumerate(bars) if count != usual}}


def _unpack_bars(content: dict[str, Any] | None, days: int) -> list[int] | None:
    if content is None:
        return None
    others = content["others"]
    return [int(others.get(str(n), content["usual"])) for n in range(days)]
