"""Past sessions, worked through one by one as the schedules would have done it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from wf_dagster.errors import OnlineError
from wf_dagster.online import OnlineState, OnlineToolR
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.orchestration.automation.online_requests import unfinished_run
from wf_dagster.orchestration.dagster_home import prepare_dagster_home
from wf_dagster.orchestration.failures import UnusablePrices
from wf_dagster.orchestration.location.code_location import list_strategies
from wf_dagster.orchestration.run_tags import ONLINE_RUN_TAG
from wf_dagster.orchestration.strategy.strategy_keys import StrategyKeys

_PATIENCE = 600.0  # seconds for which a run of somebody else is waited for
_LOGGER = "wf_replay"


@dataclass(frozen=True)
class SessionReport:
    """What a session brought a strategy.

    Attributes:
        session: ISO date.
        strategy: Its name.
        skipped: It had worked through the session before.
        online: Keys of the rolls whose models serve.
        switched: Whether they serve since this session.
        trained: Keys of the rolls that were trained.
        predictions: Number of new predictions.
        labels: Number of labels that became known.
        ic: Mean information coefficient of all sessions so far; ``None`` when not known.
        top: The instrument with the highest signal, and the signal; only with the last strategy.
        warnings: Checks that did not pass, with their reasons.
    """

    session: str
    strategy: str
    skipped: bool = False
    online: tuple[str, ...] = ()
    switched: bool = False
    trained: tuple[str, ...] = ()
    predictions: int = 0
    labels: int = 0
    ic: float | None = None
    top: str = ""
    warnings: tuple[str, ...] = ()


@contextmanager
def open_replay(definitions: dg.Definitions, home: Path, clock: ReplayClock) -> Iterator[Replay]:
    """The replay of a code location, whose runs are kept in the home folder.

    Args:
        definitions: The code location.
        home: The home folder.
        clock: Its replay clock.

    Raises:
        OnlineError: No strategy of the code location has an online schedule.
    """
    os.environ["DAGSTER_HOME"] = str(prepare_dagster_home(home))
    with dg.DagsterInstance.get() as instance:
        yield Replay(definitions, instance, clock)


class Replay:
    """Moves the replay clock on and does what the online schedules ask for.

    Args:
        definitions: A code location.
        instance: Where its runs are kept.
        clock: Hides later prices from them.

    Raises:
        OnlineError: No strategy of the code location has an online schedule.
    """

    def __init__(
        self, definitions: dg.Definitions, instance: dg.DagsterInstance, clock: ReplayClock
    ) -> None:
        quiet = dg.Definitions(loggers={_LOGGER: _quiet_logger})
        repository = dg.Definitions.merge(definitions, quiet).get_repository_def()
        strategies = list_strategies(definitions)
        self.clock = clock
        self.strategies = []
        for schedule in repository.schedule_defs:
            job = repository.get_job(schedule.job_name)
            if name := job.tags.get(ONLINE_RUN_TAG):
                keys, experiment = strategies[name].keys, strategies[name].experiment
                self.strategies.append(_ReplayedStrategy(keys, experiment, schedule, job, instance))
        if not self.strategies:
            raise OnlineError(
                "no strategy of the code location has an online schedule: put "
                "build_online_schedule(strategy, ...) of its assets into Definitions(schedules=...)"
            )

    def check(self, sessions: Sequence[pd.Timestamp]) -> None:
        """Refuse sessions that cannot be worked through any more.

        Raises:
            OnlineError: The clock shows a later date, or settings hide the prices.
        """
        today = self.clock.date()
        if today is None:
            return
        for session in sessions:
            if session < today and not all(s.is_past(session) for s in self.strategies):
                raise OnlineError(
                    f"the replay clock shows {today:%Y-%m-%d} already, after "
                    f"{session:%Y-%m-%d}: leave out --from to go on from there, or remove the "
                    "clock first (`wf-dagster replay --stop`)"
                )

    def run(self, sessions: Sequence[pd.Timestamp]) -> Iterator[SessionReport]:
        """Work through sessions, one after the other; a strategy at a time.

        Raises:
            OnlineError: As in :meth:`check`, or a run failed.
        """
        self.check(sessions)
        for session in sessions:
            today = self.clock.date()
            if today is None or today < session:
                self.clock.move(session)
            for strategy in self.strategies:
                if strategy.has_worked(session):
                    yield SessionReport(f"{session:%Y-%m-%d}", strategy.name, skipped=True)
                    continue
                report = strategy.run(session)
                # before the last strategy the signals of the session are not whole
                yield report if strategy is self.strategies[-1] else replace(report, top="")


@dataclass(frozen=True)
class _ReplayedStrategy:
    keys: StrategyKeys
    experiment: str
    schedule: dg.ScheduleDefinition
    job: dg.JobDefinition
    instance: dg.DagsterInstance

    @property
    def name(self) -> str:
        return self.keys.name

    @cached_property
    def _tool(self) -> OnlineToolR:
        return OnlineToolR(self.experiment)

    @cached_property
    def _rolls(self) -> dict[str, str]:
        """Keys of rolls, by recorder."""
        return {}

    def has_worked(self, session: pd.Timestamp) -> bool:
        """Whether it has worked through this session."""
        worked = self._tool.state().session
        return worked is not None and worked >= f"{session:%Y-%m-%d}"

    def is_past(self, session: pd.Timestamp) -> bool:
        """Whether nothing is to be done at a session: it was worked through, or is none of its own.

        On a holiday of its exchange it has worked through all that the clock shows.
        """
        return self.has_worked(session) or self._ask() is None

    def run(self, session: pd.Timestamp) -> SessionReport:
        """Do what the schedule asks for at a session."""
        state, figures = self._tool.state(), self._figures()
        request = self._request(session)
        day = f"{session:%Y-%m-%d}"
        if request is None:
            return SessionReport(day, self.name, skipped=True)
        result = self.job.execute_in_process(
            run_config={**request.run_config, "loggers": {_LOGGER: {}}},
            partition_key=request.partition_key,
            tags=request.tags,
            instance=self.instance,
            raise_on_error=False,
        )
        if not result.success:
            raise OnlineError(
                f"{self.name} {day}: run {result.run_id} failed\n{_step_errors(result)}\n"
                "Its page (`wf-dagster ui`) has the details."
            )
        new_state, new_figures = self._tool.state(), self._figures()
        materializations = [
            event.step_materialization_data.materialization
            for event in result.get_asset_materialization_events()
        ]
        recorders = self.keys.asset("recorders")
        trained = [m.partition for m in materializations if m.asset_key == recorders]
        tops = (str(m.metadata["top"].value) for m in materializations if "top" in m.metadata)
        return SessionReport(
            day,
            self.name,
            online=self._keys_of(new_state),
            switched=new_state.online != state.online,
            trained=tuple(filter(None, trained)),
            predictions=new_figures.get("rows", 0) - figures.get("rows", 0),
            labels=new_figures.get("known labels", 0) - figures.get("known labels", 0),
            ic=new_figures.get("IC"),
            top=next(tops, ""),
            warnings=tuple(
                f"{check.check_name}: {check.description}"
                for check in result.get_asset_check_evaluations()
                if not check.passed
            ),
        )

    def _request(self, session: pd.Timestamp) -> dg.RunRequest | None:
        """What is to be run at a session; ``None`` when there is nothing to do."""
        end = time.monotonic() + _PATIENCE
        while isinstance(answer := self._ask(), dg.SkipReason):
            if self.has_worked(session):  # another run did it meanwhile
                return None
            if time.monotonic() > end:
                raise OnlineError(f"{self.name} {session:%Y-%m-%d}: {answer.skip_message}")
            time.sleep(1)
        return answer

    def _ask(self) -> dg.RunRequest | dg.SkipReason | None:
        """What the schedule asks for; why not, while another run is at it; else ``None``."""
        is_busy = unfinished_run(self.instance, self.name, self.experiment) is not None
        context = dg.build_schedule_context(self.instance, pd.Timestamp.now("UTC"))
        try:
            answer: Any = self.schedule(context)
        except dg.Failure as error:
            raise OnlineError(f"{self.name}: {error.description}") from None
        if isinstance(answer, UnusablePrices):
            raise OnlineError(f"{self.name}: {answer.skip_message}")
        if isinstance(answer, dg.SkipReason) and not is_busy:
            return None
        request: dg.RunRequest | dg.SkipReason = answer
        return request

    def _figures(self) -> dict[str, Any]:
        """What `collected` showed last."""
        event = self.instance.get_latest_materialization_event(self.keys.asset("collected"))
        materialization = event.asset_materialization if event else None
        metadata = materialization.metadata if materialization else {}
        return {name: value.value for name, value in metadata.items()}

    def _keys_of(self, state: OnlineState) -> tuple[str, ...]:
        if unknown := [i for i in state.online if i not in self._rolls]:
            for recorder in self._tool.recorders(unknown):
                self._rolls[recorder.id] = recorder.list_tags().get("roll", recorder.name)
        return tuple(self._rolls.get(i, i) for i in state.online)


def _step_errors(result: dg.ExecuteInProcessResult) -> str:
    """The messages of the steps of a run that failed."""
    errors = [
        event.step_failure_data.error
        for event in result.all_events
        if event.is_step_failure and event.step_failure_data.error
    ]
    return "\n".join(error.message.strip() for error in errors)


@dg.logger(None, description="Says nothing: a replay prints its own lines.")
def _quiet_logger(_context: dg.InitLoggerContext) -> logging.Logger:
    logger = logging.getLogger("wf_dagster.replay.quiet")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    return logger
