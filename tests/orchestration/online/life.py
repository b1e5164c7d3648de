"""The daily life of a strategy in Dagster, ticked by a test."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd

from tests.online.market import REACH, SESSIONS, STEP, TEST, day, template, use_prices
from tests.online.stored import read_stored
from wf_dagster import RollingStrategy
from wf_dagster.online.signal_store import load_signals
from wf_dagster.orchestration import (
    RollingAssets,
    TrackingResource,
    build_online_schedule,
    build_rolling_assets,
    build_signals_asset,
    new_data_sensor,
    roll_due_sensor,
)
from wf_dagster.rolling import RollingGen

PARTS = ("recorders", "predictions", "labels")
ZONE = "America/New_York"


def roll_key(number: int) -> str:
    """The key of a roll, counted from 0."""
    return day(TEST + number * STEP)


def create_assets(name: str = "ridge", task: Any = None, **options: Any) -> RollingAssets:
    """A strategy whose rolls can be trained on the eve of their test window."""
    step = options.pop("step", STEP)
    trunc_days = options.pop("trunc_days", REACH + 1)
    generator = RollingGen(step, rtype=RollingGen.ROLL_SD, trunc_days=trunc_days)
    return build_rolling_assets(name, task or template(), generator, **options)


class Life:
    """Strategies, their schedule and sensors, on prices that a clock file shows day by day.

    Attributes:
        strategy: The first strategy.
        schedule: Its schedule.
        new_data: Its sensor of new prices.
        roll_due: Its sensor of rolls that are due.
    """

    def __init__(
        self,
        folder: Path,
        prices: pd.DataFrame,
        instance: dg.DagsterInstance,
        **settings: Any,
    ) -> None:
        self.instance = instance
        self.clock = folder / "clock"
        self.clock.write_text(day(TEST))
        path = folder / "prices.parquet"
        self.path = use_prices(path, prices, replay_clock=self.clock, **settings)
        self.define([create_assets()])
        self._all: pd.DataFrame | None = None
        self._seen: Counter[tuple[str, str | None]] = Counter()

    @classmethod
    def resumed(cls, folder: Path, instance: dg.DagsterInstance) -> Life:
        """The same life in another process."""
        clock = (folder / "clock").read_text()
        life = cls(folder, pd.read_parquet(folder / "prices.parquet"), instance)
        life.clock.write_text(clock)
        return life

    def define(self, strategies: Sequence[RollingAssets]) -> None:
        """The definitions as a code location that was loaded now would have them."""
        self.strategies = list(strategies)
        self.strategy = self.strategies[0]
        self.schedules = [build_online_schedule(s, "30 17 * * *", ZONE) for s in strategies]
        self.schedule = self.schedules[0]
        self.new_data = new_data_sensor(self.strategy)
        self.roll_due = roll_due_sensor(self.strategy)
        self.defs = dg.Definitions(
            assets=[
                *(asset for strategy in strategies for asset in strategy),
                build_signals_asset([strategy.name for strategy in strategies]),
            ],
            schedules=self.schedules,
            sensors=[self.new_data, self.roll_due],
            resources={"tracking": TrackingResource()},
            executor=dg.in_process_executor,
        )

    def at(self, position: int) -> str:
        """Let it be the evening of a session."""
        self.clock.write_text(day(position))
        return day(position)

    def prices_until(self, position: int, **settings: Any) -> None:
        """Without a clock: prices of later sessions have not been made yet."""
        if self._all is None:
            self._all = pd.read_parquet(self.path)
        prices = self._all[self._all["datetime"] <= SESSIONS[position]]
        use_prices(self.path, prices, replay_clock=None, **settings)

    def restate(self, first: int, last: int, factor: float = 1.3) -> None:
        """Change the prices of sessions that were there before."""
        prices = pd.read_parquet(self.path)
        changed = prices["datetime"].between(SESSIONS[first], SESSIONS[last])
        odd = prices["instrument"].isin(["S0", "S3"])
        prices.loc[changed & odd, "close"] *= factor
        prices.to_parquet(self.path)

    # ticks

    def tick(self, date: str | None = None, schedule: Any = None) -> Any:
        """What the schedule answers at half past five of a day; default that of the clock."""
        date = date or self.clock.read_text()
        moment = pd.Timestamp(date if " " in date else f"{date} 17:30", tz=ZONE)
        return (schedule or self.schedule)(Ticked(self.instance, moment.tz_convert("UTC")))

    def sense(self, sensor: Any, cursor: str | None = None) -> tuple[list[Any], str | None, str]:
        """Requests, cursor and reason of one look of a sensor."""
        context = dg.build_sensor_context(instance=self.instance, cursor=cursor)
        answer = sensor(context)
        if isinstance(answer, dg.SkipReason):
            return [], cursor, answer.skip_message or ""
        reason = answer.skip_reason
        text = reason.skip_message if isinstance(reason, dg.SkipReason) else reason
        return list(answer.run_requests or []), answer.cursor, text or ""

    # runs

    def run(self, request: dg.RunRequest, name: str | None = None) -> Any:
        """Execute what was requested, as the daemon would have it launched."""
        name = name or request.tags["wf_online"]
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        return self.defs.resolve_job_def(f"{name}_online").execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=tags,
            raise_on_error=False,
        )

    def live(self, *positions: int) -> Any:
        """Tick and run at each of some sessions; the last result."""
        result = None
        for position in positions:
            self.at(position)
            for schedule in self.schedules:
                request = self.tick(schedule=schedule)
                assert isinstance(request, dg.RunRequest), request
                result = self.run(request)
                assert result.success, failures(result)
        return result

    def materialize(self, keys: Sequence[str], **options: Any) -> Any:
        """Materialize assets by hand."""
        job = self.defs.resolve_implicit_global_asset_job_def()
        return job.execute_in_process(
            asset_selection=[dg.AssetKey(key.split("/")) for key in keys],
            instance=self.instance,
            raise_on_error=False,
            **options,
        )

    # what is there

    def events(self) -> dict[str, list[str]]:
        """The partitions that were materialized since the last call, by asset."""
        counted: Counter[tuple[str, str | None]] = Counter()
        for strategy in self.strategies:
            for part in (*PARTS, "collected", "online_models"):
                for event in materializations(self.instance, strategy.key(part)):
                    counted[part, event.partition] += 1
        for event in materializations(self.instance, dg.AssetKey("signals")):
            counted["signals", event.partition] += 1
        new = counted - self._seen
        self._seen = counted
        partitions: dict[str, list[str]] = {}
        for (part, key), number in sorted(new.items(), key=str):
            partitions.setdefault(part, []).extend([key or "all"] * number)
        return partitions

    def newest(self, part: str, key: str) -> Mapping[str, Any]:
        """The metadata of a partition's newest materialization."""
        events = materializations(self.instance, self.strategy.key(part))
        event = next(event for event in events if event.partition == key)
        return {name: value.value for name, value in event.metadata.items()}

    @property
    def signals(self) -> pd.Series:
        """The scores that are kept."""
        signals = load_signals("signals")
        assert signals is not None
        return signals["score"]

    @property
    def state(self) -> Any:
        """The ledger of the first strategy."""
        return self.strategy.spec.online_strategy().tool.state()

    @property
    def online(self) -> list[str]:
        """The keys of the rolls that serve."""
        online = self.strategy.spec.online_strategy()
        return [online.roll_key(online.task_of(r)) for r in online.tool.online_models()]

    @property
    def waiting(self) -> list[str]:
        """The keys of the rolls that are next_online."""
        online = self.strategy.spec.online_strategy()
        return [online.roll_key(online.task_of(r)) for r in online.tool.next_online_models()]


def state_of_strategy(strategy: RollingStrategy) -> dict[str, Any]:
    """All that is kept of a strategy; signals of the asset and of a manager alike."""
    state = read_stored(strategy)
    signals = state["signals"]
    return {**state, "signals": pd.DataFrame({"score": signals.squeeze()})}


def materializations(instance: dg.DagsterInstance, key: dg.AssetKey) -> list[Any]:
    """The materializations of an asset, newest first."""
    records = instance.fetch_materializations(key, limit=10_000).records
    return [record.asset_materialization for record in records]


def failures(result: Any) -> dict[str, str]:
    """What failed in a run, by step."""
    reasons = {}
    for event in result.filter_events(lambda e: e.is_step_failure):
        user_failure = event.event_specific_data.user_failure_data
        reasons[event.step_key] = str(
            user_failure.description if user_failure else event.event_specific_data.error
        )
    return reasons


class Ticked(dg.ScheduleEvaluationContext):
    """``build_schedule_context`` has no place for an instance in memory."""

    def __init__(self, instance: dg.DagsterInstance, moment: pd.Timestamp) -> None:
        super().__init__(None, moment.to_pydatetime())
        self._given = instance

    @property
    def instance(self) -> dg.DagsterInstance:
        return self._given
