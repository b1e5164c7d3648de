"""Online management, simulated: past sessions as if they came, then a backtest of the signals."""

import qlib
from peer_tasks import BENCHMARK, LINEAR, PROVIDER_URI, RECORDS, leave, small
from qlib.constant import REG_CN
from qlib.contrib.evaluate import backtest_daily, risk_analysis
from qlib.contrib.strategy import TopkDropoutStrategy
from qlib.model.trainer import TrainerR
from qlib.workflow import R
from qlib.workflow.online.manager import OnlineManager
from qlib.workflow.online.strategy import RollingStrategy
from qlib.workflow.task.gen import RollingGen


class OnlineSimulationExample:
    def __init__(
        self,
        provider_uri=PROVIDER_URI,
        region=REG_CN,
        exp_name="rolling_exp",
        rolling_step=15,
        start_time="2019-12-02",
        end_time="2020-01-20",
    ):
        self.exp_name = exp_name
        self.start_time = start_time
        self.end_time = end_time
        qlib.init(provider_uri=provider_uri, region=region)
        task = {
            "model": LINEAR,
            "dataset": small(test=("2019-12-02", "2019-12-20")),
            "record": RECORDS,
        }
        self.rolling_gen = RollingGen(
            step=rolling_step, rtype=RollingGen.ROLL_SD, ds_extra_mod_func=None, trunc_days=2
        )
        self.trainer = TrainerR(self.exp_name)
        self.rolling_online_manager = OnlineManager(
            RollingStrategy(exp_name, task_template=[task], rolling_gen=self.rolling_gen),
            trainer=self.trainer,
            begin_time=self.start_time,
        )

    def reset(self):
        exp = R.get_exp(experiment_name=self.exp_name)
        for rid in exp.list_recorders():
            exp.delete_recorder(rid)

    def main(self):
        print("========== reset ==========")
        self.reset()
        print("========== simulate ==========")
        self.rolling_online_manager.simulate(end_time=self.end_time)
        print("========== collect results ==========")
        collected = self.rolling_online_manager.get_collector()()
        print(collected)
        print("========== signals ==========")
        signals = self.rolling_online_manager.get_signals()
        print(signals)
        print("========== backtest ==========")
        scores = signals.to_frame("score") if signals.ndim == 1 else signals
        sessions = scores.index.get_level_values("datetime")
        report, _ = backtest_daily(
            start_time=sessions.min(),
            end_time=self.end_time,
            strategy=TopkDropoutStrategy(signal=scores, topk=4, n_drop=1),
            benchmark=BENCHMARK,
        )
        analysis = risk_analysis(report["return"] - report["bench"] - report["cost"])
        print(analysis)
        leave(collected=collected, signals=signals, analysis=analysis)


if __name__ == "__main__":
    OnlineSimulationExample().main()
