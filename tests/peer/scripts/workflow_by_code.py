"""Workflow by code: a model, its predictions, their analysis and a backtest in one block."""

import qlib
from peer_tasks import BENCHMARK, LIGHTGBM, PROVIDER_URI, TEST, alpha158
from qlib.constant import REG_CN
from qlib.utils import flatten_dict, init_instance_by_config
from qlib.workflow import R
from qlib.workflow.record_temp import PortAnaRecord, SigAnaRecord, SignalRecord

if __name__ == "__main__":
    qlib.init(provider_uri=PROVIDER_URI, region=REG_CN)

    task = {"model": LIGHTGBM, "dataset": alpha158()}
    model = init_instance_by_config(task["model"])
    dataset = init_instance_by_config(task["dataset"])

    port_analysis_config = {
        "executor": {
            "class": "SimulatorExecutor",
            "module_path": "qlib.backtest.executor",
            "kwargs": {"time_per_step": "day", "generate_portfolio_metrics": True},
        },
        "strategy": {
            "class": "TopkDropoutStrategy",
            "module_path": "qlib.contrib.strategy.signal_strategy",
            "kwargs": {"signal": (model, dataset), "topk": 4, "n_drop": 1},
        },
        "backtest": {
            "start_time": TEST[0],
            "end_time": TEST[1],
            "account": 10000000,
            "benchmark": BENCHMARK,
            "exchange_kwargs": {
                "freq": "day",
                "limit_threshold": 0.095,
                "deal_price": "close",
                "open_cost": 0.0005,
                "close_cost": 0.0015,
                "min_cost": 5,
            },
        },
    }

    example_df = dataset.prepare("train")
    print(example_df.head())

    with R.start(experiment_name="workflow"):
        R.log_params(**flatten_dict(task))
        model.fit(dataset)
        R.save_objects(**{"params.pkl": model})

        recorder = R.get_recorder()
        sr = SignalRecord(model, dataset, recorder)
        sr.generate()

        sar = SigAnaRecord(recorder, ana_long_short=True)
        sar.generate()

        par = PortAnaRecord(recorder, port_analysis_config, "day")
        par.generate()
