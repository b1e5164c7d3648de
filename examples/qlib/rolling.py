"""Train the rolls of two models, one by one or through a task pool, and collect what one predicts.

python rolling.py --provider-uri ~/.qlib/qlib_data/cn_data
python rolling.py --provider-uri ... --task-pool rolls
python rolling.py --provider-uri ... --task-pool rolls worker    # in other terminals, meanwhile
"""

from __future__ import annotations

import argparse
from pprint import pprint
from typing import Any

import qlib
from example_tasks import LIGHTGBM, LINEAR, ROLLING, read_tasks, task
from qlib.constant import REG_CN

from wf_dagster import (
    R,
    RecorderCollector,
    RollingGen,
    RollingGroup,
    TaskManager,
    TrainerR,
    TrainerRM,
    run_task,
    task_generator,
    task_train,
)


class RollingExample:
    """Rolls of several templates in one experiment."""

    def __init__(
        self,
        provider_uri: str = "~/.qlib/qlib_data/cn_data",
        region: str = REG_CN,
        task_url: str | None = None,
        task_db_name: str = "rolling_db",
        experiment_name: str = "rolling",
        task_pool: str | None = None,  # None: no pool, one process
        tasks: list[dict[str, Any]] | None = None,
        step: int = 60,
        rtype: str = RollingGen.ROLL_SD,
        trunc_days: int = 2,  # the label looks two sessions ahead
        chosen: str = "LGBModel",
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
        if task_pool is None:
            self.trainer = TrainerR(experiment_name)
        else:
            self.trainer = TrainerRM(experiment_name, task_pool)
        self.tasks = tasks or [task(LINEAR, ROLLING), task(LIGHTGBM, ROLLING)]
        self.rolling_gen = RollingGen(step=step, rtype=rtype, trunc_days=trunc_days)
        self.chosen = chosen

    def reset(self) -> None:
        """Forget all tasks and recorders of an earlier run."""
        if self.task_pool is not None:
            TaskManager(task_pool=self.task_pool).remove()
        experiment = R.get_exp(experiment_name=self.experiment_name)
        for recorder_id in experiment.list_recorders():
            experiment.delete_recorder(recorder_id)

    def generate(self) -> list[dict[str, Any]]:
        """The task of each roll of each template."""
        tasks = task_generator(tasks=self.tasks, generators=self.rolling_gen)
        pprint([each["dataset"]["kwargs"]["segments"] for each in tasks])
        return tasks

    def train(self, tasks: list[dict[str, Any]]) -> None:
        """Train them, together with the workers there are."""
        self.trainer(tasks)

    def worker(self) -> None:
        """Train tasks of the pool for a process that trains them too."""
        run_task(task_train, self.task_pool, experiment_name=self.experiment_name)

    def collect(self) -> dict[str, Any]:
        """The predictions of one model, its rolls joined."""

        def rec_key(recorder: Any) -> tuple[Any, Any]:
            config = recorder.load_object("task")
            return config["model"]["class"], config["dataset"]["kwargs"]["segments"]["test"]

        def rec_filter(recorder: Any) -> bool:
            return rec_key(recorder)[0] == self.chosen

        collector = RecorderCollector(
            experiment=self.experiment_name,
            process_list=RollingGroup(),
            rec_key_func=rec_key,
            rec_filter_func=rec_filter,
        )
        collected = collector()
        print(collected)
        return collected

    def main(self) -> dict[str, Any]:
        """All of it."""
        self.reset()
        self.train(self.generate())
        return self.collect()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="main", choices=["main", "worker", "collect"])
    parser.add_argument("--provider-uri", default="~/.qlib/qlib_data/cn_data")
    parser.add_argument("--region", default=REG_CN)
    parser.add_argument("--task-url", help="MongoDB, such as mongodb://localhost:27017/")
    parser.add_argument("--task-db-name", default="rolling_db")
    parser.add_argument("--experiment-name", default="rolling")
    parser.add_argument("--task-pool", help="share the tasks with workers through this pool")
    parser.add_argument("--tasks", help="JSON file with a list of templates")
    parser.add_argument("--step", type=int, default=60, help="sessions a roll")
    parser.add_argument("--rtype", default=RollingGen.ROLL_SD)
    parser.add_argument("--chosen", default="LGBModel", help="whose predictions are collected")
    arguments = vars(parser.parse_args())
    what, arguments["tasks"] = arguments.pop("what"), read_tasks(arguments["tasks"])
    getattr(RollingExample(**arguments), what)()
