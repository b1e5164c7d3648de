"""Rolling by task manager: rolls of two models through a pool, collected by model."""

import os
import sys
from pprint import pprint

import qlib
from peer_tasks import LIGHTGBM, LINEAR, PROVIDER_URI, RECORDS, leave, small
from qlib.constant import REG_CN
from qlib.model.ens.group import RollingGroup
from qlib.model.trainer import TrainerR, TrainerRM, task_train
from qlib.workflow import R
from qlib.workflow.task.collect import RecorderCollector
from qlib.workflow.task.gen import RollingGen, task_generator
from qlib.workflow.task.manage import TaskManager, run_task


class RollingTaskExample:
    def __init__(
        self,
        provider_uri=PROVIDER_URI,
        region=REG_CN,
        task_url=os.environ["PEER_MONGO"],
        task_db_name="rolling_db",
        experiment_name="rolling_exp",
        task_pool=None,
        rolling_step=40,
        rolling_type=RollingGen.ROLL_SD,
    ):
        mongo_conf = {"task_url": task_url, "task_db_name": task_db_name}
        qlib.init(provider_uri=provider_uri, region=region, mongo=mongo_conf)
        self.experiment_name = experiment_name
        if task_pool is None:
            self.trainer = TrainerR(experiment_name=self.experiment_name)
        else:
            self.task_pool = task_pool
            self.trainer = TrainerRM(self.experiment_name, self.task_pool)
        self.task_config = [
            {"model": model, "dataset": small(), "record": RECORDS} for model in (LINEAR, LIGHTGBM)
        ]
        self.rolling_gen = RollingGen(step=rolling_step, rtype=rolling_type)

    def reset(self):
        print("========== reset ==========")
        if isinstance(self.trainer, TrainerRM):
            TaskManager(task_pool=self.task_pool).remove()
        exp = R.get_exp(experiment_name=self.experiment_name)
        for rid in exp.list_recorders():
            exp.delete_recorder(rid)

    def task_generating(self):
        print("========== task_generating ==========")
        tasks = task_generator(tasks=self.task_config, generators=self.rolling_gen)
        pprint(tasks)
        return tasks

    def task_training(self, tasks):
        print("========== task_training ==========")
        self.trainer.train(tasks)

    def worker(self):
        print("========== worker ==========")
        run_task(task_train, self.task_pool, experiment_name=self.experiment_name)

    def task_collecting(self):
        print("========== task_collecting ==========")

        def rec_key(recorder):
            task_config = recorder.load_object("task")
            model_key = task_config["model"]["class"]
            rolling_key = task_config["dataset"]["kwargs"]["segments"]["test"]
            return model_key, rolling_key

        def my_filter(recorder):
            model_key, _ = rec_key(recorder)
            return model_key == "LGBModel"

        collector = RecorderCollector(
            experiment=self.experiment_name,
            process_list=RollingGroup(),
            rec_key_func=rec_key,
            rec_filter_func=my_filter,
        )
        collected = collector()
        print(collected)
        return collected

    def main(self):
        self.reset()
        tasks = self.task_generating()
        self.task_training(tasks)
        collected = self.task_collecting()
        segments = [each["dataset"]["kwargs"]["segments"] for each in tasks]
        leave(segments=segments, collected=collected)


if __name__ == "__main__":
    pool = sys.argv[1] if len(sys.argv) > 1 else None
    RollingTaskExample(task_pool=pool).main()
