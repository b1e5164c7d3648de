"""Times of runs, which compare with text as well."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

_FORMAT = "%Y-%m-%d %H:%M:%S"


class RunTime(datetime):
    """When a recorder was started or ended: a ``datetime`` with time zone.

    In Qlib it is a local text such as ``"2020-01-31 18:00:00"``; compared with text it is that.

    Example:
        >>> RunTime(2020, 1, 31, 18).astimezone() >= "2020-01-31"
        True
    """

    @classmethod
    def from_milliseconds(cls, milliseconds: int | None) -> RunTime | None:
        """The time that MLflow has of a run; ``None`` where it has none."""
        return cls.fromtimestamp(milliseconds / 1000, timezone.utc) if milliseconds else None

    def as_text(self) -> str:
        """The local time, to the second."""
        return self.astimezone().strftime(_FORMAT)

    def __eq__(self, other: object) -> bool:
        return self.as_text() == other if isinstance(other, str) else super().__eq__(other)

    def __hash__(self) -> int:
        return super().__hash__()

    def __lt__(self, other: Any) -> bool:
        return self.as_text() < other if isinstance(other, str) else super().__lt__(other)

    def __le__(self, other: Any) -> bool:
        return self.as_text() <= other if isinstance(other, str) else super().__le__(other)

    def __gt__(self, other: Any) -> bool:
        return self.as_text() > other if isinstance(other, str) else super().__gt__(other)

    def __ge__(self, other: Any) -> bool:
        return self.as_text() >= other if isinstance(other, str) else super().__ge__(other)
