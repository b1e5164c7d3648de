"""What identifies a roll: how its model was trained, where its test window begins, on what prices.

This is the one place that says which parts of a task count. Whoever asks whether a recorder stands
for a roll (a backfill, the collection, online models, checks, the audit) asks it here.

- **Another training:** model, dataset, features, label, processors, universe, reweighter; train,
  valid and further segments; the roll that a warm start goes on from; the kind of the prices
  (sample, Qlib's, a table, a source of one's own); another exchange where both are named.
- **The same training, whose records are computed again:** the records.
- **The same training, predicted again:** the test segment, as long as it begins in the roll.
- **Nothing:** place and format of the prices, what is above the folder of a universe's file, cores,
  what is printed, limits beyond which work is refused, and keys of a task that nobody trains from.
"""

from __future__ import annotations

import bisect
import os
from collections.abc import Hashable, Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import Self

from wf_dagster.market import Market
from wf_dagster.prices.kinds import place_free
from wf_dagster.qlib_bridge.qlib_classes import names_qlib
from wf_dagster.tasks.fingerprint import fingerprint
from wf_dagster.tasks.schema import BEFORE_TRAINING, REWEIGHTER, WARM_START
from wf_dagster.tasks.segments import parse_segment

TRAINING_TAG = "training_fingerprint"
START_TAG = "test_start"
MARKET_TAG = "market_kind"

_DAY = "%Y-%m-%d"
# arguments of a model that say how hard it works, or how much it prints
_EFFORT = {"n_jobs", "num_threads", "nthread", "thread_count"}
_EFFORT |= {"verbose", "verbosity", "verbose_eval"}
# arguments of a dataset: who it is handed to, and up to which limit it is taken at all
_DATA_END = {"end_time"}
_NO_TRAINING = {"max_missing", *_DATA_END}


def training_fingerprint(task: Mapping[str, Any], test_key: str | None = None) -> str:
    """The same for tasks whose models are trained alike, wherever their test windows lie.

    Args:
        task: The task of a roll.
        test_key: Name of the test segment; default the one that starts last.

    Returns:
        64 hexadecimal digits.

    Raises:
        TaskError: As :func:`wf_dagster.fingerprint`.

    Example:
        >>> segments = {"train": ("2019-01-02", "2019-12-31"), "test": ("2020-01-02", None)}
        >>> ended = {**segments, "test": ("2020-01-02", "2020-01-31")}
        >>> first, later = ({"dataset": {"kwargs": {"segments": s}}} for s in (segments, ended))
        >>> training_fingerprint(first) == training_fingerprint({**later, "record": ["SigAna"]})
        True
    """
    parts = {
        "model": _without_effort(task.get("model")),
        "dataset": _of_training(task.get("dataset"), test_key),
        REWEIGHTER: task.get(REWEIGHTER),
        WARM_START: task.get(BEFORE_TRAINING) or task.get(WARM_START),
    }
    return fingerprint({name: part for name, part in parts.items() if part is not None})


@dataclass(frozen=True)
class MarketKind:
    """What of a market counts for a training.

    Attributes:
        source: What its prices are (see :mod:`wf_dagster.prices.kinds`).
        exchange: Code of the exchange that was named; ``""`` for the sessions of the prices.
    """

    source: str
    exchange: str = ""

    @classmethod
    def of(cls, task: Mapping[str, Any], market: Market) -> Self:
        """That of a task, whose dataset may name prices of its own; no price is read."""
        dataset = task.get("dataset")
        if names_qlib({"dataset": dataset}):
            return cls("qlib")
        kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
        market = market.with_prices((kwargs or {}).get("prices"))
        return cls(market.source_kind, market.named_exchange)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """What :func:`str` gave."""
        source, _, exchange = text.partition(" ")
        return cls(source, exchange) if source else None

    def __str__(self) -> str:
        return f"{self.source} {self.exchange}".rstrip()

    def agrees_with(self, other: MarketKind) -> bool:
        """Whether both may be the same; an exchange may be named, or not, for the same prices."""
        is_same_exchange = not (self.exchange and other.exchange) or self.exchange == other.exchange
        return self.source == other.source and is_same_exchange


@dataclass(frozen=True)
class RollIdentity:
    """What a recorder, or the task of a roll, is recognised by.

    Attributes:
        training: :func:`training_fingerprint` of the task.
        start: ISO date of the first test session; ``""`` where the task has none.
        market: What the prices are, and whose sessions; ``None`` where that was not recorded.
    """

    training: str
    start: str
    market: MarketKind | None = None

    @classmethod
    def of(cls, task: Mapping[str, Any], market: Market | None = None) -> Self:
        """The identity of a task that is, or was, trained on a market.

        Args:
            task: A task, as it is stored.
            market: ``None`` where it is not known.

        Raises:
            TaskError: The task has no canonical form.
        """
        start = _test_segment(task)[0]
        kind = None if market is None else MarketKind.of(task, market)
        return cls(training_fingerprint(task), start or "", kind)

    @classmethod
    def from_tags(cls, tags: Mapping[str, str]) -> Self | None:
        """The identity that the tags of a recorder tell; ``None`` of one that was made before."""
        training = tags.get(TRAINING_TAG)
        if not training:
            return None
        return cls(training, tags.get(START_TAG, ""), MarketKind.parse(tags.get(MARKET_TAG, "")))

    def tags(self) -> dict[str, str]:
        """The tags that tell it."""
        market = {} if self.market is None else {MARKET_TAG: str(self.market)}
        return {TRAINING_TAG: self.training, START_TAG: self.start, **market}


@dataclass(frozen=True)
class WantedRoll:
    """A roll whose recorder is looked for.

    Attributes:
        name: What the caller knows it by.
        key: ISO date: its test window begins on that day or later.
        task: Its task as it is defined now.
        market: What it stands on.
    """

    name: Hashable
    key: str
    task: Mapping[str, Any]
    market: Market | None = None


@dataclass(frozen=True)
class _Known:
    """A roll, with the last day on which its test window may begin and its kind of market."""

    roll: WantedRoll
    last: str | None
    market: MarketKind | None

    def is_start(self, day: str) -> bool:
        return self.roll.key <= day and (self.last is None or day <= self.last)

    def is_alike(self, market: MarketKind | None) -> bool:
        return market is None or self.market is None or market.agrees_with(self.market)


class RollsByIdentity:
    """Rolls, looked up by the identity of a recorder.

    Args:
        wanted: The rolls.
    """

    def __init__(self, wanted: Iterable[WantedRoll]) -> None:
        self._by_fingerprint: dict[str, _Known] = {}
        self._by_training: dict[str, list[_Known]] = {}
        for roll in wanted:
            market = None if roll.market is None else MarketKind.of(roll.task, roll.market)
            known = _Known(roll, _test_segment(roll.task)[1], market)
            self._by_fingerprint[fingerprint(roll.task)] = known
            # tasks of earlier versions do not name the training that a warm start goes on from
            former = {key: value for key, value in roll.task.items() if key != BEFORE_TRAINING}
            for training in {training_fingerprint(roll.task), training_fingerprint(former)}:
                self._by_training.setdefault(training, []).append(known)
        self._by_key = sorted(self._by_fingerprint.values(), key=lambda known: known.roll.key)
        self._keys = [known.roll.key for known in self._by_key]

    def find(self, identity: RollIdentity) -> WantedRoll | None:
        """The roll that an identity is of; ``None`` if it is of none.

        A test window may begin later than the roll does now: a session of its first days has come
        since. One that begins before the roll, or after it has ended, is another roll's.
        """
        for known in self._by_training.get(identity.training, ()):
            if known.is_start(identity.start) and known.is_alike(identity.market):
                return known.roll
        return None

    def find_defined(
        self, task_fingerprint: str, market: MarketKind | None = None
    ) -> WantedRoll | None:
        """The roll whose whole task has a fingerprint.

        Args:
            task_fingerprint: The fingerprint.
            market: What it was trained on; ``None`` where that was not recorded.
        """
        known = self._by_fingerprint.get(task_fingerprint)
        return known.roll if known is not None and known.is_alike(market) else None

    def may_hold(self, day: str) -> bool:
        """Whether a test window that begins on a day may be that of one of the rolls."""
        place = bisect.bisect(self._keys, day)
        last_begun = self._keys[place - 1] if place else None
        while place and self._keys[place - 1] == last_begun:
            place -= 1
            if self._by_key[place].is_start(day):
                return True
        return False


def _test_segment(task: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """ISO dates of the test segment, as far as the task says."""
    dataset = task.get("dataset")
    kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
    segments = (kwargs or {}).get("segments")
    if not isinstance(segments, Mapping) or not segments:
        return None, None
    start, end = parse_segment(segments[find_test_key(segments)])
    return (
        None if start is None else f"{start:{_DAY}}",
        None if end is None else f"{end:{_DAY}}",
    )


def find_test_key(segments: Mapping[str, Any]) -> str:
    """The segment that starts last; of several the one called ``test``, else the last by name."""

    def place(name: str) -> tuple[bool, Any, bool, str]:
        start = parse_segment(segments[name])[0]
        return start is not None, 0 if start is None else start.value, name == "test", name

    return max(segments, key=place)


def _of_training(dataset: Any, test_key: str | None) -> Any:
    """What a dataset's configuration says of the training.

    Only the arguments of the dataset itself and of its handler mean here what their names say; a
    feature function may have arguments of the same names, and these count.
    """
    kwargs = dataset.get("kwargs") if isinstance(dataset, Mapping) else None
    if not isinstance(kwargs, Mapping):
        return dataset
    parts = _of_arguments(kwargs, _NO_TRAINING)
    handler = parts.get("handler")
    if isinstance(handler, Mapping) and isinstance(handler.get("kwargs"), Mapping):
        parts["handler"] = {**handler, "kwargs": _of_arguments(handler["kwargs"], _DATA_END)}
    segments = parts.get("segments")
    if isinstance(segments, Mapping) and segments:
        test = test_key or find_test_key(segments)
        parts["segments"] = {n: parse_segment(s) for n, s in segments.items() if n != test}
    return {**dataset, "kwargs": parts}


def _of_arguments(kwargs: Mapping[str, Any], left_out: Set[str]) -> dict[str, Any]:
    return {
        name: _place_free(name, value)
        for name, value in kwargs.items()
        if name not in left_out and not isinstance(value, Market)
    }


def _place_free(name: str, value: Any) -> Any:
    """Prices by what they are; the file of a universe by its name and that of its folder."""
    if name == "prices":
        return place_free(value)
    if name == "instruments" and isinstance(value, (str, os.PathLike)):
        return "/".join(Path(value).parts[-2:])  # `csi300/members.txt` is not `sp500/members.txt`
    return value


def _without_effort(model: Any) -> Any:
    if isinstance(model, Mapping):
        return {k: _without_effort(v) for k, v in model.items() if k not in _EFFORT}
    if isinstance(model, (list, tuple)):
        return [_without_effort(part) for part in model]
    return model
