"""What the checks of a strategy that serves let pass."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import TypedDict

GRACE = timedelta(hours=6)


class OnlineLimits(TypedDict, total=False):
    """The limits of :func:`build_online_checks`, where they are described."""

    label_slack: int
    ic_floor: float
    ic_sessions: int
    psi_limit: float
    psi_sessions: int
    max_missed: int
    max_changed: int
    grace: timedelta


@dataclass(frozen=True)
class ChosenLimits:
    """The limits with their defaults."""

    label_slack: int = 2
    ic_floor: float = -0.05
    ic_sessions: int = 60
    psi_limit: float = 0.25
    psi_sessions: int = 20
    max_missed: int = 1
    max_changed: int = 1
    grace: timedelta = GRACE
