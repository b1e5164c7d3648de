"""The same tasks, the same online history and the same signals as Qlib, on the same data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import wf_dagster
from tests.online import qlib_frames as frames
from wf_dagster import DelayTrainerR, OnlineManager, RollingGen, RollingStrategy, TrainerR

RECORD = json.loads(Path(__file__).with_name("qlib_online.json").read_text())


class Noting(RollingStrategy):
    """Notes the segments of the tasks that it hands out."""

    noted: dict[str, list[Any]]

    def note(self, session: Any, tasks: Any) -> Any:
        for one in tasks:
            segments = one["dataset"]["kwargs"]["segments"]
            plain = {n: [f"{end:%Y-%m-%d}" for end in pair] for n, pair in segments.items()}
            self.noted.setdefault(f"{pd.Timestamp(session):%Y-%m-%d}", []).append(plain)
        return tasks

    def first_tasks(self) -> Any:
        return self.note(frames.day(frames.BEGIN), super().first_tasks())

    def prepare_tasks(self, cur_time: Any, **kwargs: Any) -> Any:
        return self.note(cur_time, super().prepare_tasks(cur_time, **kwargs))


def task() -> dict[str, Any]:
    func = "wf_dagster.data"
    return {
        "model": {
            "class": "SklearnModel",
            "module_path": "wf_dagster.models",
            "kwargs": {"estimator": "sklearn.linear_model.Ridge", "alpha": frames.ALPHA},
        },
        "dataset": {
            "class": "PanelDataset",
            "module_path": "wf_dagster.data",
            "kwargs": {
                "features": {
                    "func": f"{func}.features.momentum",
                    "kwargs": {"windows": list(frames.WINDOWS)},
                },
                "label": {
                    "func": f"{func}.labels.forward_return",
                    "kwargs": {"horizon": frames.REACH - 1},
                },
                "segments": dict(frames.SEGMENTS),
                "learn_processors": [{"class": "DropnaLabel"}],
            },
        },
        "record": [{"class": "SignalRecord", "module_path": "wf_dagster.records"}],
    }


@pytest.mark.parametrize("trainer", [TrainerR, DelayTrainerR])
def test_the_same_as_qlib(ready_store: None, tmp_path: Path, trainer: Any) -> None:
    prices = frames.close().stack().rename("close").reset_index()
    prices.to_parquet(tmp_path / "prices.parquet")
    wf_dagster.init(prices=str(tmp_path / "prices.parquet"), max_workers=1)
    generator = RollingGen(frames.STEP, RollingGen.ROLL_SD, trunc_days=frames.REACH)
    strategy = Noting("ridge", task(), generator)
    strategy.noted = {}
    manager = OnlineManager(strategy, trainer(), begin_time=frames.day(frames.BEGIN))
    signals = manager.simulate(frames.day(frames.END))

    assert strategy.noted == RECORD["trained"]
    history = {
        f"{session:%Y-%m-%d}": [strategy.roll_key(strategy.task_of(one)) for one in by[strategy]]
        for session, by in manager.history.items()
    }
    assert history == RECORD["history"]
    rows = pd.MultiIndex.from_tuples(
        [(pd.Timestamp(date), name) for date, name in RECORD["signals"]["rows"]],
        names=["datetime", "instrument"],
    )
    theirs = pd.Series(RECORD["signals"]["values"], index=rows, dtype="float64")
    # Qlib predicts a roll's window at once, also the sessions that have not come yet
    theirs = theirs.loc[: frames.day(frames.END)]
    pd.testing.assert_series_equal(signals, theirs, rtol=0, atol=1e-9, check_names=False)
    assert RECORD["rows_with_duplicates"] > len(RECORD["signals"]["rows"])
