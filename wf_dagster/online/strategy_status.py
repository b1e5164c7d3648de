"""How a strategy stands, as plain values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RollsStatus:
    """The rolls that can be trained by now.

    Attributes:
        due: How many there are.
        trained: How many of them have a finished recorder.
        missing: Keys of those that have none, as they are defined now.
        outdated: Which of these have one of an earlier definition.
        running: The roll whose test window has begun last; ``None`` before the first.
        next: The one after it; ``None`` where its dates are not known.
        next_due: The session (ISO date) at whose close that one can be trained.
    """

    due: int
    trained: int
    missing: tuple[str, ...]
    outdated: tuple[str, ...]
    running: str | None
    next: str | None
    next_due: str | None


@dataclass(frozen=True)
class ServingModel:
    """A recorder that is online, or next.

    Attributes:
        recorder: Its id.
        roll: The key of its roll; empty when it is not known.
        since: The session since which it serves (ISO date); ``None`` for one that is next, or was
            set by hand.
    """

    recorder: str
    roll: str
    since: str | None = None


@dataclass(frozen=True)
class SignalsStatus:
    """Signals that the strategy is a part of.

    Attributes:
        experiment: The MLflow experiment that keeps them.
        until: Their last session (ISO date); ``None`` when there are none yet.
        behind: Sessions that they lack; ``None`` when that is not known.
    """

    experiment: str
    until: str | None
    behind: int | None


@dataclass(frozen=True)
class StrategyStatus:
    """How a strategy stands.

    Attributes:
        name: The strategy.
        experiment: Its MLflow experiment.
        prices_until: The last session with prices; ``None`` when they cannot be read.
        prices_error: Why not, or why there are no rolls on them.
        hidden_after: The replay date that hides later prices, if there is one.
        rolls: Its rolls; ``None`` when prices or recorders cannot be read.
        online: What serves.
        next_online: What is trained and waits for its first session.
        session: The last session that was worked through; ``None`` for a strategy that is only
            backfilled.
        behind: Sessions that were due after it; ``None`` when that is not known.
        signals: The signals that it is a part of.
        problems: What needs a person, in sentences; empty when all is well.
    """

    name: str
    experiment: str
    prices_until: str | None = None
    prices_error: str | None = None
    hidden_after: str | None = None
    rolls: RollsStatus | None = None
    online: tuple[ServingModel, ...] = ()
    next_online: tuple[ServingModel, ...] = ()
    session: str | None = None
    behind: int | None = None
    signals: tuple[SignalsStatus, ...] = ()
    problems: tuple[str, ...] = ()
