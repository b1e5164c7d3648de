"""A strategy of the user's own, which defines what Qlib's strategies define and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.online.market import STEP, TEST, day, strategy, template
from wf_dagster import (
    OnlineManager,
    OnlineStrategy,
    OnlineTool,
    OnlineToolR,
    RecorderCollector,
    RollingGen,
    TrainerR,
    task_train,
)
from wf_dagster.errors import OnlineError
from wf_dagster.tracking import Recorder, find_recorders

BEGIN = TEST + STEP - 2


class Own(OnlineStrategy):
    """Trains its template again every third session that it is asked."""

    def __init__(self, name_id: str) -> None:
        super().__init__(name_id)
        self.tool = OnlineToolR(name_id)
        self.asked = 0

    def first_tasks(self) -> list[dict[str, Any]]:
        return RollingGen(STEP, trunc_days=3).on(self.market.calendar).generate(template())[-1:]

    def prepare_tasks(self, cur_time: Any, **kwargs: Any) -> list[dict[str, Any]]:
        self.asked += 1
        return self.first_tasks() if self.asked % 3 == 0 else []

    def get_collector(self, *args: Any, **kwargs: Any) -> RecorderCollector:
        return RecorderCollector(self.name_id, artifacts_key="pred")


class Memory(OnlineTool):
    """Remembers the models in this process only."""

    def __init__(self) -> None:
        self.models: list[Any] = []

    def reset_online_tag(self, recorder: Any) -> None:
        self.models = list(recorder)

    def online_models(self) -> list[Any]:
        return self.models

    def update_online_pred(self, to_date: Any = None) -> None:
        """They predict when they are trained."""


def average(collected: Any) -> pd.Series:
    frames = [frame["score"] for frames in collected.values() for frame in frames.values()]
    return pd.concat(frames).groupby(level=["datetime", "instrument"]).mean().sort_index()


def test_it_lives_through_sessions_and_keeps_what_it_notes(market: Path) -> None:
    own = Own("own")
    manager = OnlineManager(own, begin_time=day(BEGIN))
    signals = manager.simulate(day(BEGIN + 5), signal_kwargs={"prepare_func": average})
    assert own.asked == 6
    assert len(find_recorders("own")) == 3
    seen = {recorder.list_tags()["data_until"] for recorder in find_recorders("own")}
    assert seen == {day(BEGIN), day(BEGIN + 2), day(BEGIN + 5)}
    assert signals.index.get_level_values("datetime").max() == pd.Timestamp(day(BEGIN + 5))
    (model,) = own.tool.online_models()
    assert model.list_tags()["data_until"] == day(BEGIN + 5)
    with pytest.raises(OnlineError, match="only a RollingStrategy can take over"):
        OnlineManager(Own("other"), begin_time=day(BEGIN)).adopt()


def test_its_tool_need_not_keep_a_ledger(market: Path) -> None:
    own = Own("own")
    own.tool = Memory()
    manager = OnlineManager(own, begin_time=day(BEGIN), name=None)
    manager.first_train()
    report = manager.routine(day(BEGIN + 3))
    assert [f"{session:%Y-%m-%d}" for session in report.sessions] == [
        day(BEGIN + n) for n in range(1, 4)
    ]
    (model,) = own.tool.online_models()
    assert manager.history[pd.Timestamp(day(BEGIN + 3))] == {own: [model]}
    with pytest.raises(OnlineError, match="state only moves on"):
        manager.routine(day(BEGIN))


def test_it_comes_back_from_a_file(market: Path, tmp_path: Path) -> None:
    manager = OnlineManager(Own("own"), begin_time=day(BEGIN))
    manager.first_train()
    manager.to_pickle(tmp_path / "manager.pkl")
    again = OnlineManager.load(
        tmp_path / "manager.pkl", allow=[Own.__module__, "wf_dagster.tracking"]
    )
    assert again.strategies[0].tool.online_models() == again.strategies[0].all_models(
        again.history[pd.Timestamp(day(BEGIN))][again.strategies[0]]
    )


def test_a_training_function_of_ones_own_sees_no_later_price(market: Path) -> None:
    seen: list[str] = []

    def train(task: Any, experiment_name: str, recorder_name: str | None = None) -> Recorder:
        recorder = task_train(task, experiment_name, recorder_name)
        seen.append(recorder.list_tags()["data_until"])
        return recorder

    manager = OnlineManager(strategy(), TrainerR(train_func=train), begin_time=day(BEGIN))
    manager.simulate(day(BEGIN + 3))
    assert seen == [day(BEGIN), day(TEST + STEP)]


def test_an_updater_of_ones_own_tool_sees_no_later_price(
    market: Path, prices: pd.DataFrame
) -> None:
    known: list[Sequence[Any]] = []

    class Noting(OnlineToolR):
        def update_online_pred(self, *args: Any, **kwargs: Any) -> list[Recorder]:
            assert self.market is not None
            known.append((kwargs["to_date"], self.market.last_session))
            return super().update_online_pred(*args, **kwargs)

    own = Own("own")
    own.tool = Noting("own")
    OnlineManager(own, begin_time=day(BEGIN), name=None).simulate(day(BEGIN + 1))
    assert known
    assert all(to_date == last for to_date, last in known)
    assert prices["datetime"].max() > known[-1][1]
