"""Set and read which recorders of an experiment are online."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

from typing_extensions import Self

from wf_dagster.errors import ObjectNotFoundError, OnlineError, RecorderNotFoundError
from wf_dagster.market import Market
from wf_dagster.online.ledger import ONLINE_KEY, OnlineLedger
from wf_dagster.online.online_state import NEXT_ONLINE_TAG, OFFLINE_TAG, ONLINE_TAG, OnlineState
from wf_dagster.online.updaters import DSBasedUpdater, LabelUpdater, PredUpdater
from wf_dagster.tracking import R, Recorder

_log = logging.getLogger(__name__)


class OnlineTool:
    """Sets and reads which models are online.

    A model is ``online`` (it serves), ``next_online`` (trained, it waits for its first session) or
    ``offline``.
    """

    ONLINE_KEY = ONLINE_KEY
    ONLINE_TAG = ONLINE_TAG
    OFFLINE_TAG = OFFLINE_TAG
    NEXT_ONLINE_TAG = NEXT_ONLINE_TAG

    logger: ClassVar[logging.Logger] = _log  # as Qlib's tools have one

    def set_online_tag(self, tag: str, recorder: Any) -> None:
        """Give a model, or several, this status; the others keep theirs."""
        raise NotImplementedError  # abstract

    def get_online_tag(self, recorder: Any) -> str:
        """The status of a model."""
        raise NotImplementedError  # abstract

    def reset_online_tag(self, recorder: Any) -> None:
        """Let these models, and no others, be online."""
        raise NotImplementedError  # abstract

    def online_models(self) -> list[Any]:
        """The models that are online."""
        raise NotImplementedError  # abstract

    def update_online_pred(self, to_date: Any = None) -> Any:
        """Bring the predictions of the online models up to a date."""
        raise NotImplementedError  # abstract

    def on(self, market: Market) -> Self:
        """The tool that updates models with the prices of a market; this one asks for none."""
        return self

    def ledger(self) -> OnlineLedger | None:
        """Where it keeps what is online, and since when; ``None`` if it keeps no such thing."""
        return None

    def history(self) -> dict[str, list[Any]]:
        """The models that served at each session that was worked through, by ISO date."""
        return {}


class OnlineToolR(OnlineTool):
    """The online models among the recorders of an experiment.

    A switch is all or nothing: see :mod:`wf_dagster.online.ledger`. The tag ``online_status`` of
    the recorders follows it; only tags that change are written.

    Args:
        default_exp_name: The experiment that is meant where none is named.
        trusted: Modules whose classes recorders may hold.
        market: Whose prices updates use; default that of a recorder's dataset.
    """

    market: Market | None = None  # of a tool that was pickled before tools had one

    def __init__(
        self,
        default_exp_name: str | None = None,
        *,
        trusted: Iterable[str] = (),
        market: Market | None = None,
    ) -> None:
        self.default_exp_name = default_exp_name
        self.trusted = set(trusted)
        self.market = market
        self._ledgers: dict[str, OnlineLedger] = {}

    def on(self, market: Market) -> Self:
        """The same tool, whose updates use the prices of a market."""
        tool = copy.copy(self)
        tool.market = market
        tool._ledgers = self._ledgers  # one object a ledger: it knows whether it is held
        return tool

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_ledgers": {}}

    def ledger(self, exp_name: str | None = None) -> OnlineLedger:
        """Where the state of an experiment is kept.

        Raises:
            OnlineError: No experiment is named.
        """
        name = self._get_exp_name(exp_name)
        return self._ledgers.setdefault(name, OnlineLedger(name))

    def set_online_tag(
        self, tag: str, recorder: Recorder | Sequence[Recorder], exp_name: str | None = None
    ) -> None:
        """Give a recorder, or several, a status; the others keep theirs.

        Args:
            tag: ``"online"``, ``"next_online"`` or ``"offline"``.
            recorder: One recorder or several, of one experiment.
            exp_name: Their experiment; default the tool's.

        Raises:
            OnlineError: The tag is unknown, no experiment is named, a recorder belongs to another
                one, or another process is changing it.
        """
        tags = (ONLINE_TAG, NEXT_ONLINE_TAG, OFFLINE_TAG)
        if tag not in tags:
            raise OnlineError(f"online tag {tag!r} is unknown: use one of {', '.join(tags)}")
        ids = self._ids(recorder, exp_name)
        state = self.state(exp_name)
        online = [i for i in state.online if i not in ids]
        waiting = [i for i in state.next_online if i not in ids]
        if tag == ONLINE_TAG:
            online += ids
        elif tag == NEXT_ONLINE_TAG:
            waiting += ids
        self.switch(online, waiting, exp_name=exp_name)
        _log.info("%d recorders of %s are %s", len(ids), self._get_exp_name(exp_name), tag)

    def get_online_tag(self, recorder: Recorder) -> str:
        """``"online"``, ``"next_online"`` or ``"offline"``."""
        ledger = self.ledger(R.get_exp(experiment_id=recorder.experiment_id, create=False).name)
        if ledger.exists:
            return ledger.read().tag_of(recorder.id)
        return str(recorder.list_tags().get(ONLINE_KEY, OFFLINE_TAG))

    def reset_online_tag(
        self, recorder: Recorder | Sequence[Recorder], exp_name: str | None = None
    ) -> None:
        """Let these recorders, and no others, be online.

        Args:
            recorder: One recorder or several, of one experiment.
            exp_name: Their experiment; default the tool's.

        Raises:
            OnlineError: As :meth:`set_online_tag`.
        """
        self.switch(self._ids(recorder, exp_name), (), exp_name=exp_name)

    def switch(
        self,
        online: Sequence[str],
        next_online: Sequence[str] = (),
        *,
        unlabelled: Sequence[str] = (),
        session: str | None = None,
        exp_name: str | None = None,
    ) -> OnlineState:
        """Let these recorders be online and wait, and no others.

        Args:
            online: Ids of the recorders that serve.
            next_online: Ids of those that wait for their first session.
            unlabelled: Ids of those that serve no more, whose labels are to be completed.
            session: ISO date since which they serve; ``None`` for a switch by hand.
            exp_name: The experiment; default the tool's.

        Raises:
            OnlineError: Another process is changing them, or no experiment is named.
        """
        ledger = self.ledger(exp_name)
        with ledger.exclusive():
            state = ledger.mark(ledger.read())
            new = state.switched(online, next_online, session)
            if missing := set(unlabelled) - set(new.unlabelled):
                new = new.waiting_for_labels(sorted(missing))
            return new if new is state and ledger.exists else ledger.write(new)

    def forget_labels(self, ids: Sequence[str], exp_name: str | None = None) -> None:
        """Note that the labels of these recorders are complete."""
        ledger = self.ledger(exp_name)
        with ledger.exclusive():
            ledger.write(ledger.read().waiting_for_labels(less=ids))

    def state(self, exp_name: str | None = None) -> OnlineState:
        """What is online, since when, and what was before."""
        return self.ledger(exp_name).read()

    def online_models(self, exp_name: str | None = None) -> list[Recorder]:
        """The recorders that are online.

        Args:
            exp_name: The experiment; default the tool's.

        Raises:
            OnlineError: No experiment is named.
        """
        return self.recorders(self.state(exp_name).online, exp_name)

    def next_online_models(self, exp_name: str | None = None) -> list[Recorder]:
        """The recorders that are trained and wait for their first session."""
        return self.recorders(self.state(exp_name).next_online, exp_name)

    def history(self) -> dict[str, list[Any]]:
        """The recorders that served at each session that was worked through, by ISO date."""
        state = self.state()
        ids = dict.fromkeys(i for change in state.changes for i in change.online)
        recorders = {recorder.id: recorder for recorder in self.recorders(ids)}
        return {
            session: [recorders[i] for i in state.online_at(session) if i in recorders]
            for session in state.sessions
        }

    def recorders(self, ids: Iterable[str], exp_name: str | None = None) -> list[Recorder]:
        """Recorders by id; those that were deleted are left out with a warning."""
        ledger = self.ledger(exp_name)
        # while nobody else may change them
        looked_up = ledger.looked_up if ledger.busy else {}
        ids = list(ids)
        fresh = ledger.recorders([i for i in ids if i not in looked_up])
        recorders: list[Recorder] = []
        for recorder_id in ids:
            try:
                recorder = looked_up.get(recorder_id) or fresh.get(recorder_id)
                # says what is wrong
                recorder = recorder or R.get_recorder(recorder_id=recorder_id)
            except RecorderNotFoundError as error:
                _log.warning("online model of %s: %s", ledger.experiment_name, error)
                continue
            recorder.trusted |= self.trusted
            if recorder.status == Recorder.STATUS_FI:
                looked_up[recorder_id] = recorder
            recorders.append(recorder)
        return recorders

    def update_online_pred(
        self, to_date: Any = None, from_date: Any = None, exp_name: str | None = None
    ) -> list[Recorder]:
        """Bring the predictions of the online recorders up to a date.

        Args:
            to_date: Default the last session with prices; a later date means that one.
            from_date: Predict again from this date on; default what is missing.
            exp_name: The experiment; default the tool's.

        Returns:
            The recorders whose predictions changed. One that holds no predictions is left out with
            a warning.
        """
        return self._update(PredUpdater, self.online_models(exp_name), to_date, from_date)

    def update_online_label(
        self, to_date: Any = None, from_date: Any = None, exp_name: str | None = None
    ) -> list[Recorder]:
        """The same for the labels of the online recorders."""
        return self._update(LabelUpdater, self.online_models(exp_name), to_date, from_date)

    def _update(
        self,
        updater_class: type[DSBasedUpdater],
        recorders: Sequence[Recorder],
        to_date: Any,
        from_date: Any,
    ) -> list[Recorder]:
        changed = []
        for recorder in recorders:
            try:
                updater = updater_class(
                    recorder, to_date=to_date, from_date=from_date, market=self.market
                )
                if updater.update(ret_new=True) is not None:
                    changed.append(recorder)
            except ObjectNotFoundError as error:
                name = updater_class.__name__
                _log.warning("%s leaves recorder %s out: %s", name, recorder.id, error)
        return changed

    def _ids(self, recorder: Recorder | Sequence[Recorder], exp_name: str | None) -> list[str]:
        recorders = [recorder] if isinstance(recorder, Recorder) else list(recorder)
        name = self._get_exp_name(exp_name)
        experiment = R.get_exp(experiment_name=name)
        for stranger in recorders:
            if stranger.experiment_id != experiment.id:
                raise OnlineError(
                    f"recorder {stranger.id} belongs to experiment {stranger.experiment_id!r}, "
                    f"not to {name!r} (id {experiment.id!r}): name its experiment with exp_name"
                )
        return list(dict.fromkeys(recorder.id for recorder in recorders))

    def _get_exp_name(self, exp_name: str | None) -> str:
        name = exp_name or self.default_exp_name
        if not name:
            raise OnlineError(
                "no experiment is named: give exp_name, or OnlineToolR(default_exp_name=...)"
            )
        return name
