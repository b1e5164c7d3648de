"""Keep one rolling strategy a model online: begin once, then come back after each session.

python rolling_online.py --provider-uri ~/.qlib/qlib_data/cn_data first_run
python rolling_online.py --provider-uri ... routine              # every day, after the close
python rolling_online.py --provider-uri ... add_strategy         # one more model
python rolling_online.py --provider-uri ... --trainer TrainerRM worker
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import qlib
from example_tasks import LIGHTGBM, LINEAR, ONLINE, read_tasks, task
from qlib.constant import REG_CN

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


class RollingOnlineExample:
    """Strategies that live in a file between one call and the next."""

    def __init__(
        self,
        provider_uri: str = "~/.qlib/qlib_data/cn_data",
        region: str = REG_CN,
        task_url: str | None = None,
        task_db_name: str = "rolling_db",
        trainer: str = "TrainerR",
        tasks: list[dict[str, Any]] | None = None,
        add_tasks: list[dict[str, Any]] | None = None,
        step: int = 60,
        trunc_days: int = 2,
        state: str = "rolling_online.pkl",
        exp_manager: dict[str, Any] | None = None,
    ) -> None:
        options: dict[str, Any] = {}
        if task_url is not None:
            options["mongo"] = {"task_url": task_url, "task_db_name": task_db_name}
        if exp_manager is not None:
            options["exp_manager"] = exp_manager
        qlib.init(provider_uri=provider_uri, region=region, **options)
        self.tasks = tasks or [task(LINEAR, ONLINE)]
        self.add_tasks = add_tasks or [task(LIGHTGBM, ONLINE)]
        self.step = step
        self.trunc_days = trunc_days
        self.state = state
        self.trainer = TRAINERS[trainer]()
        self.manager = OnlineManager(self.strategies(self.tasks), trainer=self.trainer)

    def strategies(self, tasks: list[dict[str, Any]]) -> list[Any]:
        """A strategy a template, called like the class of its model."""
        return [
            RollingStrategy(
                template["model"]["class"],
                template,
                RollingGen(step=self.step, rtype=RollingGen.ROLL_SD, trunc_days=self.trunc_days),
            )
            for template in tasks
        ]

    def reset(self) -> None:
        """Forget all tasks and recorders of an earlier life."""
        for template in self.tasks + self.add_tasks:
            name = template["model"]["class"]
            if isinstance(self.trainer, TrainerRM):
                TaskManager(task_pool=name).remove()
            experiment = R.get_exp(experiment_name=name)
            for recorder_id in experiment.list_recorders():
                experiment.delete_recorder(recorder_id)
        Path(self.state).unlink(missing_ok=True)

    def first_run(self) -> None:
        """Train the first rolls and put them online."""
        self.reset()
        self.manager.first_train()
        print(self.manager.get_collector()())
        self.manager.to_pickle(self.state)

    def routine(self) -> None:
        """Bring everything up to the last session: models, predictions, signals."""
        self.manager = OnlineManager.load(self.state)
        self.manager.routine()
        print(self.manager.get_collector()())
        print(self.manager.get_signals())
        self.manager.to_pickle(self.state)

    def add_strategy(self) -> None:
        """Let further strategies join."""
        self.manager = OnlineManager.load(self.state)
        self.manager.add_strategy(self.strategies(self.add_tasks))
        print(self.manager.get_collector()())
        self.manager.to_pickle(self.state)

    def worker(self) -> None:
        """Train for a process that waits in ``first_run`` or ``routine``."""
        if not isinstance(self.trainer, TrainerRM):
            print(f"{type(self.trainer).__name__} has no workers")
            return
        for template in self.tasks + self.add_tasks:
            self.trainer.worker(experiment_name=template["model"]["class"])

    def main(self) -> None:
        """Begin, and one routine."""
        self.first_run()
        self.routine()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    steps = ["main", "first_run", "routine", "add_strategy", "worker"]
    parser.add_argument("steps", nargs="*", default=["main"], help=f"some of {', '.join(steps)}")
    parser.add_argument("--provider-uri", default="~/.qlib/qlib_data/cn_data")
    parser.add_argument("--region", default=REG_CN)
    parser.add_argument("--task-url", help="MongoDB, such as mongodb://localhost:27017/")
    parser.add_argument("--task-db-name", default="rolling_db")
    parser.add_argument("--trainer", default="TrainerR", choices=list(TRAINERS))
    parser.add_argument("--tasks", help="JSON file with a list of templates")
    parser.add_argument("--add-tasks", help="JSON file with the templates to add")
    parser.add_argument("--step", type=int, default=60, help="sessions a roll")
    parser.add_argument("--state", default="rolling_online.pkl", help="file of the manager")
    arguments = vars(parser.parse_args())
    chosen = arguments.pop("steps")
    if unknown := set(chosen) - set(steps):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(steps)}")
    for name in ("tasks", "add_tasks"):
        arguments[name] = read_tasks(arguments[name])
    example = RollingOnlineExample(**arguments)
    for step in chosen:
        getattr(example, step)()
