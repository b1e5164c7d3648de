"""What is online, since when, and what was before: plain values that a store can keep."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from typing_extensions import Self

ONLINE_TAG = "online"
OFFLINE_TAG = "offline"
NEXT_ONLINE_TAG = "next_online"


@dataclass(frozen=True)
class Change:
    """From a session on, these recorders served.

    Attributes:
        session: ISO date; empty when they were set by hand, outside of a routine.
        online: Ids of recorders.
    """

    session: str
    online: tuple[str, ...]


@dataclass(frozen=True)
class OnlineState:
    """The online models of one strategy.

    Attributes:
        online: Ids of the recorders that serve.
        next_online: Ids of those that are trained and wait for their first session.
        unlabelled: Ids of those that serve no more, but miss labels that are yet to be known.
        changes: What served since when, oldest first; the last one is ``online``.
        sessions: ISO dates that were worked through, in order.
        failures: What could not be trained at the last session, in words.
        generation: Counts the switches.
        unmarked: Tags that recorders are still to get after a switch, by id.
    """

    online: tuple[str, ...] = ()
    next_online: tuple[str, ...] = ()
    unlabelled: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    sessions: tuple[str, ...] = ()
    failures: tuple[str, ...] = ()
    generation: int = 0
    unmarked: Mapping[str, str] = field(default_factory=dict)

    @property
    def session(self) -> str | None:
        """The last session that was worked through."""
        return self.sessions[-1] if self.sessions else None

    @property
    def since(self) -> str | None:
        """The session since which the present models serve."""
        return self.changes[-1].session if self.changes else None

    def tag_of(self, recorder_id: str) -> str:
        """``online``, ``next_online`` or ``offline``."""
        if recorder_id in self.online:
            return ONLINE_TAG
        return NEXT_ONLINE_TAG if recorder_id in self.next_online else OFFLINE_TAG

    def online_at(self, session: str) -> tuple[str, ...]:
        """What served at a session; nothing before the first one."""
        served: tuple[str, ...] = ()
        for change in self.changes:
            if change.session > session:
                break
            served = change.online
        return served

    def online_since(self, recorder_id: str) -> str | None:
        """The session since which a recorder has served without a break.

        ``None`` for one that does not serve, or was set by hand.
        """
        since = None
        for change in reversed(self.changes):
            if recorder_id not in change.online:
                break
            since = change.session
        return since or None

    def serving_since(self, session: str) -> tuple[str, ...]:
        """Ids of what served at a session or later, each once."""
        later = (i for change in self.changes if change.session > session for i in change.online)
        return tuple(dict.fromkeys((*self.online_at(session), *later, *self.online)))

    def switched(
        self, online: Sequence[str], next_online: Sequence[str], session: str | None
    ) -> Self:
        """The state after a switch; the same one when it changes nothing.

        Args:
            online: Ids that serve from now on.
            next_online: Ids that wait.
            session: The session since which they serve; ``None`` for a switch by hand.
        """
        after = replace(self, online=tuple(online), next_online=tuple(next_online))
        ids = dict.fromkeys((*self.online, *self.next_online, *after.online, *after.next_online))
        tags = {i: after.tag_of(i) for i in ids if after.tag_of(i) != self.tag_of(i)}
        if not tags:
            return self
        changes = self.changes
        if set(self.online) != set(after.online):
            since = session or self.session or ""
            # of two switches at one session only the last served
            changes = (*(c for c in changes if c.session != since), Change(since, after.online))
        leaving = [i for i in self.online if i not in after.online]
        return replace(
            after,
            unlabelled=self.waiting_for_labels(leaving).unlabelled,
            changes=changes,
            generation=self.generation + 1,
            unmarked={**self.unmarked, **tags},
        )

    def waiting_for_labels(self, more: Sequence[str] = (), less: Sequence[str] = ()) -> Self:
        """The state with some recorders more, or less, whose labels are to be completed."""
        ids = dict.fromkeys((*self.unlabelled, *more))
        return replace(self, unlabelled=tuple(i for i in ids if i not in less))

    def at_session(self, session: str, failures: Sequence[str] = ()) -> Self:
        """The state after a session was worked through."""
        if session in self.sessions and self.failures == tuple(failures):
            return self
        sessions = tuple(sorted({*self.sessions, session}))
        return replace(self, sessions=sessions, failures=tuple(failures))

    def to_json(self) -> str:
        """The text that is kept."""
        return json.dumps(asdict(self), indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The state that a text holds.

        Raises:
            ValueError: It is no such text.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            return cls(
                online=tuple(values["online"]),
                next_online=tuple(values["next_online"]),
                unlabelled=tuple(values["unlabelled"]),
                changes=tuple(Change(c["session"], tuple(c["online"])) for c in values["changes"]),
                sessions=tuple(values["sessions"]),
                failures=tuple(values["failures"]),
                generation=int(values["generation"]),
                unmarked=dict(values["unmarked"]),
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"no state of online models: {error!r}") from None
