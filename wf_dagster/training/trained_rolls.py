"""The recorders that stand for rolls, found by what identifies these."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import pandas as pd

from wf_dagster.errors import TrackingError, WfError
from wf_dagster.market import Market
from wf_dagster.records.recorder_market import MARKET
from wf_dagster.rolling import RollIdentity, RollsByIdentity, WantedRoll
from wf_dagster.rolling.roll_identity import TRAINING_TAG
from wf_dagster.tasks import modules_named
from wf_dagster.tracking import MLflowRecorder, Recorder, find_recorders
from wf_dagster.training.task import DATA_UNTIL

_DAY = "%Y-%m-%d"


class RollRecognition:
    """Says for which of some rolls a recorder stands.

    What identifies a recorder is in its tags. One of an earlier version has none: its stored task
    is loaded, once, and the tags are added.

    Args:
        wanted: The rolls.
        trusted: Modules whose classes stored tasks may hold, beside those that the rolls name.
    """

    def __init__(self, wanted: Iterable[WantedRoll], trusted: Collection[str] = ()) -> None:
        wanted = list(wanted)
        self._rolls = RollsByIdentity(wanted)
        self._trusted = {*trusted}
        for roll in wanted:
            self._trusted |= {*modules_named(roll.task), *(roll.market or Market()).modules}

    def find_roll(self, recorder: Recorder) -> WantedRoll | None:
        """The roll that a recorder stands for; ``None`` for none of them."""
        tags = recorder.list_tags()
        identity = RollIdentity.from_tags(tags)
        market = None if identity is None else identity.market
        # where nothing has changed the whole task is the same, and need not be loaded
        roll = self._rolls.find_defined(tags.get("fingerprint", ""), market)
        if roll is None and identity is None:
            identity = self._identify(recorder, tags.get("roll"))
        return roll or (None if identity is None else self._rolls.find(identity))

    def _identify(self, recorder: Recorder, key: str | None) -> RollIdentity | None:
        """What identifies a recorder of an earlier version, if it may be one of the rolls."""
        if key is not None and not self._rolls.may_hold(key):
            return None
        recorder.trusted |= self._trusted
        try:
            task = recorder.load_object("task")
            if not isinstance(task, Mapping):
                return None
            identity = RollIdentity.of(task, _load_market(recorder))
        except WfError:  # it was not trained from one, or cannot be read any more
            return None
        with suppress(TrackingError):  # a store that can only be read is asked again next time
            recorder.set_tags(**identity.tags())
        return identity


def _load_market(recorder: Recorder) -> Market | None:
    """The market that a recorder names; ``None`` for that of settings which nobody has noted."""
    try:
        market = recorder.load_object(MARKET)
    except WfError:
        return None
    return market if isinstance(market, Market) else None


def find_trained_rolls(
    experiment_name: str,
    wanted: Iterable[WantedRoll],
    *,
    tags: Mapping[str, str] | None = None,
    until: Any = None,
    knows_until: bool = False,
    trusted: Collection[str] = (),
) -> dict[Hashable, MLflowRecorder]:
    """The newest finished recorder of each roll, by the name it is wanted under.

    Args:
        experiment_name: MLflow experiment of the strategy.
        wanted: The rolls, as they are defined now.
        tags: Tags that a recorder must have.
        until: A recorder that has seen prices after this day does not count.
        knows_until: Nor does one that does not say what it has seen.
        trusted: Modules whose classes stored tasks may hold, beside those that the rolls name.

    Returns:
        Without the rolls that were not trained.
    """
    wanted = list(wanted)
    if not wanted:
        return {}
    rolls = RollRecognition(wanted, trusted)
    day = None if until is None else f"{pd.Timestamp(until):{_DAY}}"
    newest: dict[Hashable, MLflowRecorder] = {}
    for recorder in _list_recorders(experiment_name, wanted, tags or {}):
        seen = recorder.list_tags().get(DATA_UNTIL, "")[: len("2020-01-01")]
        if day is not None and (seen > day or (knows_until and not seen)):
            continue
        roll = rolls.find_roll(recorder)
        if roll is not None:
            newest.setdefault(roll.name, recorder)
    return newest


def _list_recorders(
    experiment_name: str, wanted: list[WantedRoll], tags: Mapping[str, str]
) -> list[MLflowRecorder]:
    """Newest first; of a single roll those of its training, if there are any."""
    if len(wanted) == 1:
        training = RollIdentity.of(wanted[0].task).training
        if few := find_recorders(experiment_name, tags={**tags, TRAINING_TAG: training}):
            return few
    return find_recorders(experiment_name, tags=tags)
