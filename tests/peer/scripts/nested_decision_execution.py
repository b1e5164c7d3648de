"""Nested decision execution: a portfolio decides each day, half hours and minutes trade within."""

import os

import qlib
from peer_tasks import BENCHMARK, LIGHTGBM, MARKET, PROVIDER_URI, small
from qlib.constant import REG_CN
from qlib.utils import flatten_dict, init_instance_by_config
from qlib.workflow import R
from qlib.workflow.record_temp import PortAnaRecord, SignalRecord

START, END = os.environ["PEER_MINUTES"].split()
DATASET = small(test=(START, END))
PORT_ANALYSIS = {
    "executor": {
        "class": "NestedExecutor",
        "module_path": "qlib.backtest.executor",
        "kwargs": {
            "time_per_step": "day",
            "inner_strategy": {
                "class": "SBBStrategyEMA",
                "module_path": "qlib.contrib.strategy.rule_strategy",
                "kwargs": {"instruments": MARKET, "freq": "day"},
            },
            "track_data": True,
            "generate_portfolio_metrics": True,
            "indicator_config": {"show_indicator": True},
            "inner_executor": {
                "class": "NestedExecutor",
                "module_path": "qlib.backtest.executor",
                "kwargs": {
                    "time_per_step": "30min",
                    "generate_portfolio_metrics": True,
                    "inner_strategy": {
                        "class": "TWAPStrategy",
                        "module_path": "qlib.contrib.strategy.rule_strategy",
                    },
                    "inner_executor": {
                        "class": "SimulatorExecutor",
                        "module_path": "qlib.backtest.executor",
                        "kwargs": {
                            "time_per_step": "5min",
                            "generate_portfolio_metrics": True,
                            "verbose": False,
                            "indicator_config": {"show_indicator": False},
                        },
                    },
                },
            },
        },
    },
    "backtest": {
        "start_time": START,
        "end_time": END,
        "account": 1000000,
        "benchmark": BENCHMARK,
        "exchange_kwargs": {
            "freq": "1min",
            "limit_threshold": 0.095,
            "deal_price": "close",
            "open_cost": 0.0005,
            "close_cost": 0.0015,
            "min_cost": 5,
        },
    },
}


class NestedDecisionExecutionWorkflow:
    def __init__(self):
        provider_uri = {"day": PROVIDER_URI, "1min": os.environ["PEER_MINUTE_DATA"]}
        qlib.init(
            provider_uri=provider_uri, region=REG_CN, dataset_cache=None, expression_cache=None
        )

    def _train_model(self, model, dataset):
        with R.start(experiment_name="train"):
            R.log_params(**flatten_dict({"model": LIGHTGBM, "dataset": DATASET}))
            model.fit(dataset)
            R.save_objects(**{"params.pkl": model})

            recorder = R.get_recorder()
            sr = SignalRecord(model, dataset, recorder)
            sr.generate()

    def backtest(self):
        model = init_instance_by_config(LIGHTGBM)
        dataset = init_instance_by_config(DATASET)
        self._train_model(model, dataset)
        strategy = {
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy.signal_strategy",
            "kwargs": {"signal": (model, dataset), "topk": 4, "n_drop": 1},
        }

        with R.start(experiment_name="backtest"):
            recorder = R.get_recorder()
            SignalRecord(model, dataset, recorder).generate()
            par = PortAnaRecord(
                recorder,
                {**PORT_ANALYSIS, "strategy": strategy},
                indicator_analysis_method="value_weighted",
            )
            par.generate()


if __name__ == "__main__":
    NestedDecisionExecutionWorkflow().backtest()
