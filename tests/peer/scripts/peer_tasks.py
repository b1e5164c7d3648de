"""The tasks of the scripts, and where their data are."""

import os

import pandas as pd

PROVIDER_URI = os.environ["PEER_DATA"]
MARKET = "csi300"
BENCHMARK = "SH000300"
TRAIN = ("2019-03-20", "2019-09-30")
VALID = ("2019-10-08", "2019-11-29")
TEST = ("2019-12-02", "2020-04-30")
LABEL = "Ref($close, -2)/Ref($close, -1) - 1"

LIGHTGBM = {
    "class": "LGBModel",
    "module_path": "qlib.contrib.model.gbdt",
    "kwargs": {
        "loss": "mse",
        "colsample_bytree": 0.8879,
        "learning_rate": 0.1,
        "subsample": 0.8789,
        "max_depth": 6,
        "num_leaves": 31,
        "min_data_in_leaf": 5,
        "num_threads": 1,
        "seed": 3,
        "num_boost_round": 30,
        "early_stopping_rounds": 30,
    },
}
LINEAR = {
    "class": "LinearModel",
    "module_path": "qlib.contrib.model.linear",
    "kwargs": {"estimator": "ridge", "alpha": 0.05},
}
RECORDS = [
    {
        "class": "SignalRecord",
        "module_path": "qlib.workflow.record_temp",
        "kwargs": {"dataset": "<DATASET>", "model": "<MODEL>"},
    },
    {"class": "SigAnaRecord", "module_path": "qlib.workflow.record_temp"},
]


def alpha158(train=TRAIN, valid=VALID, test=TEST, end=None, **handler):
    """The dataset of Qlib's benchmarks."""
    return {
        "class": "DatasetH",
        "module_path": "qlib.data.dataset",
        "kwargs": {
            "handler": {
                "class": "Alpha158",
                "module_path": "qlib.contrib.data.handler",
                "kwargs": {
                    "start_time": train[0],
                    "end_time": end,
                    "fit_start_time": train[0],
                    "fit_end_time": train[1],
                    "instruments": MARKET,
                    **handler,
                },
            },
            "segments": {"train": train, "valid": valid, "test": test},
        },
    }


def small(train=TRAIN, valid=VALID, test=TEST, end=None):
    """Five features: for scripts that train often."""
    features = ["$close/Ref($close, 1)-1", "$close/Ref($close, 5)-1", "Std($close, 10)/$close"]
    features += ["Corr($close, Log($volume+1), 10)", "($close-$open)/($high-$low+1e-12)"]
    dataset = alpha158(train, valid, test, end)
    dataset["kwargs"]["handler"] = {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {
            "instruments": MARKET,
            "start_time": train[0],
            "end_time": end,
            "data_loader": {
                "class": "QlibDataLoader",
                "kwargs": {
                    "config": {
                        "feature": (features, ["MOM1", "MOM5", "STD", "CORR", "BAR"]),
                        "label": ([LABEL], ["LABEL0"]),
                    }
                },
            },
            "infer_processors": [
                {
                    "class": "RobustZScoreNorm",
                    "kwargs": {
                        "fields_group": "feature",
                        "clip_outlier": True,
                        "fit_start_time": train[0],
                        "fit_end_time": train[1],
                    },
                },
                {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
            ],
            "learn_processors": [
                {"class": "DropnaLabel"},
                {"class": "CSRankNorm", "kwargs": {"fields_group": "label"}},
            ],
        },
    }
    return dataset


def leave(name="answers.pkl", **answers):
    """Put what the script has found beside it."""
    pd.to_pickle(answers, name)
