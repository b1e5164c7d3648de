"""How far the rolls of a run are: a value that goes along with the log line that tells it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

_ATTRIBUTE = "wf_roll_progress"


@dataclass(frozen=True)
class RollProgress:
    """A roll of a run has been worked through.

    Attributes:
        strategy: Name of the strategy.
        roll: Key of the roll.
        done: Rolls that are worked through, this one among them.
        total: Rolls of the run.
    """

    strategy: str
    roll: str
    done: int
    total: int

    def __str__(self) -> str:
        return f"{self.strategy} {self.roll} [{self.done}/{self.total}]"

    @property
    def log_extra(self) -> dict[str, Any]:
        """The argument ``extra`` of the call that logs it."""
        return {_ATTRIBUTE: self}

    @classmethod
    def of_record(cls, record: logging.LogRecord) -> RollProgress | None:
        """The progress that a log record carries, also through Dagster's log manager."""
        progress = getattr(record, _ATTRIBUTE, None)
        return progress if isinstance(progress, cls) else None
