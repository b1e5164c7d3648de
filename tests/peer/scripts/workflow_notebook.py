# %%
import pandas as pd
import qlib
from peer_tasks import BENCHMARK, LIGHTGBM, PROVIDER_URI, TEST, alpha158, leave
from qlib.constant import REG_CN
from qlib.contrib.eva.alpha import calc_ic
from qlib.contrib.evaluate import risk_analysis
from qlib.utils import flatten_dict, init_instance_by_config
from qlib.workflow import R
from qlib.workflow.record_temp import PortAnaRecord, SigAnaRecord, SignalRecord

# %%
qlib.init(provider_uri=PROVIDER_URI, region=REG_CN)

# %%
task = {"model": LIGHTGBM, "dataset": alpha158()}
model = init_instance_by_config(task["model"])
dataset = init_instance_by_config(task["dataset"])

with R.start(experiment_name="train_model"):
    R.log_params(**flatten_dict(task))
    model.fit(dataset)
    R.save_objects(trained_model=model)
    rid = R.get_recorder().id

# %%
port_analysis_config = {
    "executor": {
        "class": "SimulatorExecutor",
        "module_path": "qlib.backtest.executor",
        "kwargs": {"time_per_step": "day", "generate_portfolio_metrics": True},
    },
    "strategy": {
        "class": "TopkDropoutStrategy",
        "module_path": "qlib.contrib.strategy.signal_strategy",
        "kwargs": {"signal": "<PRED>", "topk": 4, "n_drop": 1},
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

with R.start(experiment_name="backtest_analysis"):
    recorder = R.get_recorder(recorder_id=rid, experiment_name="train_model")
    model = recorder.load_object("trained_model")

    recorder = R.get_recorder()
    ba_rid = recorder.id
    sr = SignalRecord(model, dataset, recorder)
    sr.generate()

    SigAnaRecord(recorder).generate()

    par = PortAnaRecord(recorder, port_analysis_config, "day")
    par.generate()

# %%
recorder = R.get_recorder(recorder_id=ba_rid, experiment_name="backtest_analysis")
print(recorder)
pred_df = recorder.load_object("pred.pkl")
report_normal_df = recorder.load_object("portfolio_analysis/report_normal_1day.pkl")
positions = recorder.load_object("portfolio_analysis/positions_normal_1day.pkl")
analysis_df = recorder.load_object("portfolio_analysis/port_analysis_1day.pkl")

# %%
label_df = dataset.prepare("test", col_set="label")
label_df.columns = ["label"]
pred_label = pd.concat([label_df, pred_df], axis=1, sort=True).reindex(label_df.index)
ic, rank_ic = calc_ic(pred_label["score"], pred_label["label"])

# %%
leave(
    analysis=analysis_df,
    risk=risk_analysis(report_normal_df["return"] - report_normal_df["bench"], freq="day"),
    ic=ic,
    rank_ic=rank_ic,
    sessions=len(positions),
)
