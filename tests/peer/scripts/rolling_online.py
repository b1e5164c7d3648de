"""Online management: a first run, then a routine whenever there are new sessions."""

import sys

import qlib
from peer_tasks import LINEAR, PROVIDER_URI, RECORDS, leave, small
from qlib.constant import REG_CN
from qlib.model.trainer import TrainerR
from qlib.workflow import R
from qlib.workflow.online.manager import OnlineManager
from qlib.workflow.online.strategy import RollingStrategy
from qlib.workflow.task.gen import RollingGen

TEST = ("2019-12-02", "2019-12-20")


class RollingOnlineExample:
    _ROLLING_MANAGER_PATH = "rolling_online_manager.pkl"

    def __init__(self, provider_uri=PROVIDER_URI, region=REG_CN, rolling_step=15):
        qlib.init(provider_uri=provider_uri, region=region)
        self.tasks = [{"model": LINEAR, "dataset": small(test=TEST), "record": RECORDS}]
        self.rolling_step = rolling_step
        strategies = []
        for task in self.tasks:
            name_id = task["model"]["class"]
            strategies.append(
                RollingStrategy(
                    name_id,
                    task,
                    RollingGen(step=self.rolling_step, rtype=RollingGen.ROLL_SD, trunc_days=2),
                )
            )
        self.trainer = TrainerR()
        self.rolling_online_manager = OnlineManager(strategies, trainer=self.trainer)

    def reset(self):
        for task in self.tasks:
            exp = R.get_exp(experiment_name=task["model"]["class"])
            for rid in exp.list_recorders():
                exp.delete_recorder(rid)

    def first_run(self):
        print("========== reset ==========")
        self.reset()
        print("========== first_run ==========")
        self.rolling_online_manager.first_train()
        print("========== collect results ==========")
        print(self.rolling_online_manager.get_collector()())
        print("========== dump ==========")
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)
        self.leave("first_run")

    def routine(self):
        print("========== load ==========")
        self.rolling_online_manager = OnlineManager.load(self._ROLLING_MANAGER_PATH)
        print("========== routine ==========")
        self.rolling_online_manager.routine()
        print("========== collect results ==========")
        print(self.rolling_online_manager.get_collector()())
        print("========== signals ==========")
        print(self.rolling_online_manager.get_signals())
        print("========== dump ==========")
        self.rolling_online_manager.to_pickle(self._ROLLING_MANAGER_PATH)
        self.leave("routine")

    def leave(self, step):
        manager = self.rolling_online_manager
        leave(
            f"{step}.pkl",
            collected=manager.get_collector()(),
            signals=manager.get_signals(),
            online=[
                str(rec.load_object("task")["dataset"]["kwargs"]["segments"]["test"][0])
                for strategy in manager.strategies
                for rec in strategy.tool.online_models()
            ],
        )


if __name__ == "__main__":
    example = RollingOnlineExample()
    for step in sys.argv[1:]:
        getattr(example, step)()
