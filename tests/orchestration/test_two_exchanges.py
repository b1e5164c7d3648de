"""Two strategies on two exchanges, each with a price file of its own, in one code location."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import exchange_calendars
import pandas as pd
import pytest

import wf_dagster
from tests.online.market import FEATURES, LABEL, REACH, made_prices
from tests.orchestration.online.life import ZONE, Ticked, failures
from wf_dagster import Market, RollingGen
from wf_dagster.errors import CalendarError
from wf_dagster.online import OnlineToolR
from wf_dagster.online.replay_clock import ReplayClock
from wf_dagster.orchestration import (
    TrackingResource,
    build_online_checks,
    build_online_schedule,
    build_prices_asset,
    build_rolling_assets,
    build_signals_asset,
    new_data_sensor,
)
from wf_dagster.orchestration.checks.freshness import freshness_questions
from wf_dagster.orchestration.location.code_location import list_strategies
from wf_dagster.orchestration.location.replayed_sessions import Replay
from wf_dagster.settings import get_settings
from wf_dagster.tracking import find_recorders

TRAIN, TEST, STEP = 25, 70, 8  # positions among the sessions of the exchange; sessions a roll
PARTS = ("recorders", "predictions", "labels")
CHECKS = {
    *(f"predictions/{c}" for c in ("complete", "unique_rows", "usable_scores", "score_drift")),
    "predictions/fresh",
    "labels/labels_known",
    "collected/rolling_ic",
    "online_models/one_generation",
    "online_models/same_history",
    "signals/fresh",
}
TOKYO_ONLY = pd.Timestamp("2020-02-17")  # Washington's birthday
YORK_ONLY = pd.Timestamp("2020-02-11")  # National Foundation Day
EXCHANGES = {"york": "XNYS", "tokyo": "XTKS"}


def sessions_of(exchange: str) -> pd.DatetimeIndex:
    """Straight from the exchange."""
    calendar = exchange_calendars.get_calendar(exchange, start="2019-07-01", end="2020-03-31")
    return pd.DatetimeIndex(calendar.sessions.tz_localize(None), name="datetime")


class Side:
    """A strategy on an exchange, and its prices.

    Attributes:
        sessions: All sessions of the exchange.
        rolls: The keys that its rolls should have.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.exchange = EXCHANGES[name]
        self.sessions = sessions_of(self.exchange)
        self.rolls = [f"{day:%Y-%m-%d}" for day in self.sessions[TEST::STEP]]
        self._prices = made_prices(self.sessions)
        self._path = folder / f"{name}.parquet"
        self.know("2020-03-31")
        train = (self.sessions[TRAIN], self.sessions[TEST - 1])
        template = {
            "model": {
                "class": "SklearnModel",
                "module_path": "wf_dagster.models",
                "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": 1.0},
            },
            "dataset": {
                "class": "PanelDataset",
                "module_path": "wf_dagster.data",
                "kwargs": {
                    "features": FEATURES,
                    "label": LABEL,
                    "segments": {
                        "train": tuple(f"{day:%Y-%m-%d}" for day in train),
                        "test": (self.rolls[0], None),
                    },
                    "learn_processors": [{"class": "DropnaLabel"}],
                },
            },
            "record": [
                {
                    "class": "SignalRecord",
                    "module_path": "wf_dagster.records",
                    "kwargs": {"model": "<MODEL>", "dataset": "<DATASET>"},
                }
            ],
        }
        self.strategy = build_rolling_assets(
            name,
            template,
            RollingGen(STEP, rtype=RollingGen.ROLL_SD, trunc_days=REACH + 1),
            market=Market(str(self._path), self.exchange),
            max_workers=1,
        )
        self.schedule = build_online_schedule(self.strategy, "30 17 * * *", ZONE)
        self.sensor = new_data_sensor(self.strategy)

    def know(self, date: Any) -> pd.DatetimeIndex:
        """Let there be prices up to a day; the sessions that they have."""
        sessions = self.sessions[self.sessions <= pd.Timestamp(date)]
        self._prices[self._prices["datetime"] <= sessions[-1]].to_parquet(self._path)
        return sessions

    def predicted(self) -> dict[str, pd.DatetimeIndex]:
        """The sessions that each recorder has predicted, by roll."""
        return {
            recorder.list_tags()["roll"]: recorder.load_object("pred.pkl")
            .index.get_level_values("datetime")
            .unique()
            for recorder in find_recorders(self.name)
        }


class Location:
    """A code location with both strategies."""

    def __init__(self, folder: Path, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.york, self.tokyo = self.sides = [Side(name, folder) for name in EXCHANGES]
        strategies = [side.strategy for side in self.sides]
        self.defs = dg.Definitions(
            assets=[*(a for s in strategies for a in s), build_signals_asset(list(EXCHANGES))],
            asset_checks=build_online_checks(  # of random walks it is the sessions that count
                strategies, ic_floor=-1.0, psi_limit=100.0, max_missed=10_000
            ),
            schedules=[side.schedule for side in self.sides],
            sensors=[side.sensor for side in self.sides],
            resources={"tracking": TrackingResource()},
            executor=dg.in_process_executor,
        )

    def know(self, date: Any) -> None:
        """Let there be prices up to a day."""
        for side in self.sides:
            side.know(date)

    def backfill(self, side: Side, first: str, last: str) -> Any:
        """Materialize some rolls of a strategy."""
        tags = {
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        }
        return self.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            asset_selection=[side.strategy.key(part) for part in PARTS],
            instance=self.instance,
            tags=tags,
            raise_on_error=False,
        )

    def tick(self, side: Side, day: pd.Timestamp) -> Any:
        """What a schedule answers on the evening of a day."""
        moment = pd.Timestamp(f"{day:%Y-%m-%d} 17:30", tz=ZONE)
        return side.schedule(Ticked(self.instance, moment.tz_convert("UTC")))

    def run(self, side: Side, request: dg.RunRequest) -> Any:
        """Execute what was requested."""
        return self.defs.resolve_job_def(f"{side.name}_online").execute_in_process(
            instance=self.instance,
            partition_key=request.partition_key,
            run_config=request.run_config,
            tags=dict(request.tags),
            raise_on_error=False,
        )


@pytest.fixture
def location(tmp_path: Path, ready_store: None) -> Iterator[Location]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Location(tmp_path, instance)


def test_each_trains_serves_and_is_checked_on_its_own_sessions(location: Location) -> None:
    last = YORK_ONLY - pd.Timedelta(days=1)
    location.know(last)
    for side in location.sides:
        sessions = side.know(last)
        begun = [key for key in side.rolls if pd.Timestamp(key) <= last]
        planned = side.strategy.spec.partitions.definition.get_partition_keys()
        assert planned[: len(side.rolls)] == side.rolls
        assert side.strategy.spec.partitions.rolls.keys == begun
        result = location.backfill(side, begun[-3], begun[-1])
        assert result.success, failures(result)
        starts = [sessions.get_loc(pd.Timestamp(key)) for key in begun[-3:]]
        assert {key: list(days) for key, days in side.predicted().items()} == {
            key: list(sessions[start : start + STEP])
            for key, start in zip(begun[-3:], starts, strict=True)
        }
    assert location.york.rolls != location.tokyo.rolls

    # a day on which New York alone is open
    location.know(YORK_ONLY)
    answer = location.tick(location.tokyo, YORK_ONLY)
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message == "2020-02-11 is no session of XTKS"
    live(location, location.york, YORK_ONLY)
    live(location, location.tokyo, pd.Timestamp("2020-02-12"))

    # and one on which Tokyo alone is open
    location.know(TOKYO_ONLY)
    answer = location.tick(location.york, TOKYO_ONLY)
    assert isinstance(answer, dg.SkipReason)
    assert answer.skip_message == "2020-02-17 is no session of XNYS"
    live(location, location.tokyo, TOKYO_ONLY)
    online = {side.name: OnlineToolR(side.name).state().sessions for side in location.sides}
    assert online == {
        "york": ("2020-02-11",),
        "tokyo": ("2020-02-12", "2020-02-13", "2020-02-14", "2020-02-17"),
    }


def live(location: Location, side: Side, day: pd.Timestamp) -> None:
    """Work through a session; all checks hold, and the scores are those of the own sessions."""
    location.know(day)
    request = location.tick(side, day)
    assert isinstance(request, dg.RunRequest), request
    assert request.tags["wf_session"] == f"{day:%Y-%m-%d}"
    begun = [key for key in side.rolls if pd.Timestamp(key) <= day]
    assert request.partition_key in begun
    result = location.run(side, request)
    assert result.success, failures(result)
    evaluations = {
        f"{check.asset_key.path[-1]}/{check.check_name}": check
        for check in result.get_asset_check_evaluations()
    }
    assert {name: c.description for name, c in evaluations.items() if not c.passed} == {}
    assert set(evaluations) == CHECKS
    first = pd.Timestamp(begun[-1])
    served = side.predicted()[begun[-1]]
    assert list(served) == list(side.sessions[(side.sessions >= first) & (side.sessions <= day)])


def test_freshness_counts_the_sessions_of_each_exchange(location: Location) -> None:
    location.know("2020-02-07")
    for side in location.sides:
        begun = [key for key in side.rolls if pd.Timestamp(key) <= pd.Timestamp("2020-02-07")]
        assert location.backfill(side, begun[-1], begun[-1]).success
    specs = [side.strategy.spec for side in location.sides]
    questions = list(freshness_questions(specs, [], 1, pd.Timedelta(hours=6)))
    for moment in ("2020-02-11 12:00", "2020-02-12 12:00", "2020-02-18 12:00"):
        now = pd.Timestamp(moment, tz="UTC")
        for side, question in zip(location.sides, questions, strict=True):
            finding = question.find(now)
            assert finding is not None
            closes = exchange_calendars.get_calendar(side.exchange, start="2020-01-01").closes
            closed = closes.index[closes + pd.Timedelta(hours=6) <= now].tz_localize(None)
            assert finding.numbers["newest"] == "2020-02-07"
            assert finding.numbers["due"] == f"{closed[-1]:%Y-%m-%d}"
            assert finding.numbers["missed_sessions"] == (closed > "2020-02-07").sum()


def test_the_sensor_of_each_watches_its_own_prices(location: Location) -> None:
    location.know("2020-02-14")
    cursors = {}
    for side in location.sides:
        answer = side.sensor(dg.build_sensor_context(instance=location.instance))
        (request,) = answer.run_requests
        assert request.tags["wf_session"] == "2020-02-14"
        cursors[side.name] = answer.cursor
    location.know(TOKYO_ONLY)  # of New York there are none
    for side, session in ((location.york, None), (location.tokyo, "2020-02-17")):
        context = dg.build_sensor_context(instance=location.instance, cursor=cursors[side.name])
        answer = side.sensor(context)
        if session is None:
            assert isinstance(answer, dg.SkipReason)
            assert "no prices after 2020-02-14" in str(answer.skip_message)
        else:
            (request,) = answer.run_requests
            assert request.tags["wf_session"] == session


@pytest.mark.slow
def test_a_replay_leaves_out_the_holidays_of_each(
    location: Location, tmp_path: Path, home: Path
) -> None:
    wf_dagster.init(home=home, prices=str(tmp_path / "york.parquet"), max_workers=1)
    clock = ReplayClock(get_settings().clock_file(), Market())
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        replay = Replay(location.defs, instance, clock)
        sessions = list(clock.sessions("2020-02-10", 3))
        assert sessions[1] == YORK_ONLY
        reports = [(r.session, r.strategy, r.skipped) for r in replay.run(sessions)]
        assert reports == [
            ("2020-02-10", "tokyo", False),
            ("2020-02-10", "york", False),
            ("2020-02-11", "tokyo", True),
            ("2020-02-11", "york", False),
            ("2020-02-12", "tokyo", False),
            ("2020-02-12", "york", False),
        ]
        again = list(replay.run(sessions))  # nothing of it refused, and nothing done
        assert all(report.skipped for report in again)
    assert OnlineToolR("tokyo").state().sessions == ("2020-02-10", "2020-02-12")


@pytest.mark.slow
def test_a_replay_goes_through_the_sessions_of_all(
    location: Location, tmp_path: Path, home: Path
) -> None:
    markets = [spec.market for spec in list_strategies(location.defs).values()]
    assert len(markets) == 2
    clock = ReplayClock(get_settings().clock_file(), *markets)
    days = clock.sessions("2020-02-10", 6)
    assert [f"{day:%m-%d}" for day in days] == [
        *("02-10", "02-11", "02-12", "02-13", "02-14"),
        "02-17",  # of Tokyo alone
    ]
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        reports = list(Replay(location.defs, instance, clock).run([days[0], days[-1]]))
    assert not any(report.skipped for report in reports), "York catches up with its last session"
    assert OnlineToolR("tokyo").state().sessions[-1] == "2020-02-17"
    assert OnlineToolR("york").state().sessions[-1] == "2020-02-14"


def test_prices_are_observed_by_their_own_version(location: Location) -> None:
    markets = {side.name: side.strategy.spec.market for side in location.sides}
    observed = [build_prices_asset(f"{name}_prices", prices=m) for name, m in markets.items()]
    job = dg.Definitions(assets=observed).resolve_implicit_global_asset_job_def()
    versions = {}
    for date in ("2020-02-14", TOKYO_ONLY):
        location.know(date)
        result = job.execute_in_process(instance=location.instance)
        versions[date] = {
            event.asset_observation_data.asset_observation.asset_key.to_user_string(): (
                event.asset_observation_data.asset_observation.tags["dagster/data_version"]
            )
            for event in result.get_asset_observation_events()
        }
        assert versions[date] == {
            f"{name}_prices": market.prices.version() for name, market in markets.items()
        }
    before, after = versions.values()
    changed = [name for name in before if before[name] != after[name]]
    assert "tokyo_prices" in changed


def test_both_a_calendar_and_a_market_are_refused(location: Location) -> None:
    spec = location.york.strategy.spec
    with pytest.raises(CalendarError, match="both a calendar and a market are given"):
        build_rolling_assets(
            "twice",
            spec.template,
            RollingGen(STEP),
            market=spec.market,
            calendar=spec.market.calendar,
        )
