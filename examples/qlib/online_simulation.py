"""Replay the online life of a rolling strategy over past sessions, and trade its signals.

    python online_simulation.py --provider-uri ~/.qlib/qlib_data/cn_data
    python online_simulation.py --provider-uri ... --trainer DelayTrainerRM --task-pool simulated
    python online_simulation.py --provider-uri ... --trainer DelayTrainerRM --task-pool simulated \\
        worker    # in other terminals, meanwhile
"""

from __future__ import annotations

import argparse
from typing import Any

import pandas as pd
import qlib
from example_tasks import LINEAR, ONLINE, read_tasks, task
from qlib.constant import REG_CN
from qlib.contrib.evaluate import backtest_daily, risk_analysis
from qlib.contrib.strategy import TopkDropoutStrategy

from wf_dagster import (
    DelayTrainerR,
    DelayTrainerRM,
    OnlineManager,
    R,
    RollingGen,
    RollingStrategy,
    TaskManager,
    TrainerR,
    TrainerRM,
)

TRAINERS = {kind.__name__: kind for kind in (TrainerR, TrainerRM, DelayTrainerR, DelayTrainerRM)}


class OnlineSimulationExample:
    """A strategy, and a manager that goes through the sessions of the past."""

    def __init__(
        self,
        provider_uri: str = "~/.qlib/qlib_data/cn_data",
        region: str = REG_CN,
        task_url: str | None = None,
        task_db_name: str = "rolling_db",
        experiment_name: str = "simulated",
        task_pool: str = "simulated",
        trainer: str = "TrainerR",
        tasks: list[dict[str, Any]] | None = None,
        step: int = 60,
        trunc_days: int = 2,
        start_time: str = "2016-06-30",
        end_time: str = "2016-12-30",
        benchmark: str = "SH000903",
        topk: int = 20,
        n_drop: int = 2,
        exp_manager: dict[str, Any] | None = None,
    ) -> None:
        options: dict[str, Any] = {}
        if task_url is not None:
            options["mongo"] = {"task_url": task_url, "task_db_name": task_db_name}
        if exp_manager is not None:
            options["exp_manager"] = exp_manager
        qlib.init(provider_uri=provider_uri, region=region, **options)
        self.experiment_name = experiment_name
        self.task_pool = task_pool
        self.end_time = end_time
        self.benchmark = benchmark
        self.portfolio = {"topk": topk, "n_drop": n_drop}
        if issubclass(TRAINERS[trainer], TrainerRM):
            self.trainer = TRAINERS[trainer](experiment_name, task_pool)
        else:
            self.trainer = TRAINERS[trainer](experiment_name)
        strategy = RollingStrategy(
            experiment_name,
            task_template=tasks or [task(LINEAR, ONLINE, end="2016-12-30")],
            rolling_gen=RollingGen(
                step=step,
                rtype=RollingGen.ROLL_SD,
                ds_extra_mod_func=None,  # the handler's end is that of the simulation
                trunc_days=trunc_days,
            ),
        )
        self.manager = OnlineManager(strategy, trainer=self.trainer, begin_time=start_time)

    def reset(self) -> None:
        """Forget all tasks and recorders of an earlier run."""
        if isinstance(self.trainer, TrainerRM):
            TaskManager(task_pool=self.task_pool).remove()
        experiment = R.get_exp(experiment_name=self.experiment_name)
        for recorder_id in experiment.list_recorders():
            experiment.delete_recorder(recorder_id)

    def simulate(self) -> Any:
        """Session by session: train what is due, switch, predict, send signals."""
        self.manager.simulate(end_time=self.end_time)
        print(self.manager.get_collector()())
        signals = self.manager.get_signals()
        print(signals)
        return signals

    def backtest(self, signals: Any) -> pd.DataFrame:
        """Risk and return of a portfolio of the highest signals, with Qlib's exchange."""
        scores = signals.to_frame("score") if isinstance(signals, pd.Series) else signals
        days = scores.index.get_level_values("datetime")
        strategy = TopkDropoutStrategy(signal=scores, **self.portfolio)
        report, _ = backtest_daily(
            start_time=days.min(),
            end_time=days.max(),
            strategy=strategy,
            benchmark=self.benchmark,
        )
        excess = report["return"] - report["bench"]
        analysis = pd.concat(
            {
                "excess return without cost": risk_analysis(excess),
                "excess return with cost": risk_analysis(excess - report["cost"]),
            }
        )
        print(analysis)
        return analysis

    def worker(self) -> None:
        """Train for a process that waits in ``main``."""
        if isinstance(self.trainer, TrainerRM):
            self.trainer.worker()
        else:
            print(f"{type(self.trainer).__name__} has no workers")

    def main(self) -> pd.DataFrame:
        """All of it."""
        self.reset()
        return self.backtest(self.simulate())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="main", choices=["main", "worker"])
    parser.add_argument("--provider-uri", default="~/.qlib/qlib_data/cn_data")
    parser.add_argument("--region", default=REG_CN)
    parser.add_argument("--task-url", help="MongoDB, such as mongodb://localhost:27017/")
    parser.add_argument("--task-db-name", default="rolling_db")
    parser.add_argument("--experiment-name", default="simulated")
    parser.add_argument("--task-pool", default="simulated")
    parser.add_argument("--trainer", default="TrainerR", choices=list(TRAINERS))
    parser.add_argument("--tasks", help="JSON file with a list of templates")
    parser.add_argument("--step", type=int, default=60, help="sessions a roll")
    parser.add_argument("--start-time", default="2016-06-30")
    parser.add_argument("--end-time", default="2016-12-30")
    parser.add_argument("--benchmark", default="SH000903")
    parser.add_argument("--topk", type=int, default=20)
    parser.add_argument("--n-drop", type=int, default=2)
    arguments = vars(parser.parse_args())
    what, arguments["tasks"] = arguments.pop("what"), read_tasks(arguments["tasks"])
    getattr(OnlineSimulationExample(**arguments), what)()
