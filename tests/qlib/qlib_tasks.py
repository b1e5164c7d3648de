"""Tasks of Qlib's that the tests train, here and with Qlib."""

from __future__ import annotations

from typing import Any

EXPRESSIONS = {
    "MOM1": "$close/Ref($close, 1) - 1",
    "MOM5": "$close/Ref($close, 5) - 1",
    "MA10": "Mean($close, 10)/$close",
    "STD10": "Std($close, 10)/$close",
    "SLOPE10": "Slope($close, 10)/$close",
    "RSQR10": "Rsquare($close, 10)",
    "RANK10": "Rank($close, 10)",
    "CORR10": "Corr($close, Log($volume+1), 10)",
    "BAR": "($close-$open)/($high-$low+1e-12)",
    "VWAP": "$vwap/$close",
}
LABEL = "Ref($close, -2)/Ref($close, -1) - 1"
NORMALISE = [
    {
        "class": "RobustZScoreNorm",
        "kwargs": {"fields_group": "feature", "clip_outlier": True},
    },
    {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
]
LEARN = [
    {"class": "DropnaLabel"},
    {"class": "CSZScoreNorm", "kwargs": {"fields_group": "label"}},
]
RECORDS = [
    {"class": "SignalRecord", "module_path": "qlib.workflow.record_temp", "kwargs": {}},
    {"class": "SigAnaRecord"},  # a bare name is one of Qlib's records
]


def ridge() -> dict[str, Any]:
    return {
        "class": "LinearModel",
        "module_path": "qlib.contrib.model.linear",
        "kwargs": {"estimator": "ridge", "alpha": 0.5},
    }


def lightgbm() -> dict[str, Any]:
    return {
        "class": "LGBModel",
        "module_path": "qlib.contrib.model.gbdt",
        "kwargs": {
            "num_boost_round": 12,
            "early_stopping_rounds": 6,
            "num_leaves": 7,
            "learning_rate": 0.1,
            "colsample_bytree": 0.8,
            "seed": 5,
            "num_threads": 1,
            "verbosity": -1,
        },
    }


def few_expressions(start: str, end: str | None, fit: tuple[str, str], **changed: Any):
    """A handler with ten features."""
    kwargs = {
        "instruments": "all",
        "start_time": start,
        "end_time": end,
        "data_loader": {
            "class": "QlibDataLoader",
            "kwargs": {
                "config": {
                    "feature": (list(EXPRESSIONS.values()), list(EXPRESSIONS)),
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
                    "fit_start_time": fit[0],
                    "fit_end_time": fit[1],
                },
            },
            {"class": "Fillna", "kwargs": {"fields_group": "feature"}},
        ],
        "learn_processors": LEARN,
    }
    return {
        "class": "DataHandlerLP",
        "module_path": "qlib.data.dataset.handler",
        "kwargs": {**kwargs, **changed},
    }


def alpha(name: str, start: str, end: str | None, fit: tuple[str, str], **changed: Any):
    """Alpha158 or Alpha360."""
    kwargs = {
        "instruments": "all",
        "start_time": start,
        "end_time": end,
        "fit_start_time": fit[0],
        "fit_end_time": fit[1],
        "infer_processors": NORMALISE,
        "learn_processors": LEARN,
    }
    return {
        "class": name,
        "module_path": "qlib.contrib.data.handler",
        "kwargs": {**kwargs, **changed},
    }


def task(
    model: dict[str, Any],
    handler: Any,
    segments: dict[str, tuple[str, str | None]],
    records: Any = RECORDS,
    dataset: str = "DatasetH",
    **kwargs: Any,
) -> dict[str, Any]:
    """A task on Qlib's dataset."""
    return {
        "model": model,
        "dataset": {
            "class": dataset,
            "module_path": "qlib.data.dataset",
            "kwargs": {"handler": handler, "segments": segments, **kwargs},
        },
        "record": records,
    }


# 2019-01-02 to 2020-08-11 on the seeded panel, 2018-01-02 to 2020-06-30 on the sample prices
SEEDED = {
    "train": ("2019-03-01", "2019-08-30"),
    "valid": ("2019-09-02", "2019-10-31"),
    "test": ("2019-11-01", "2020-08-06"),
}
SAMPLE = {
    "train": ("2018-03-01", "2019-03-29"),
    "valid": ("2019-04-01", "2019-06-28"),
    "test": ("2019-07-01", "2020-06-26"),
}


def seeded_template(model: dict[str, Any]) -> dict[str, Any]:
    fit = SEEDED["train"]
    return task(model, few_expressions("2019-02-01", "2020-08-11", fit), SEEDED)


def sample_template(model: dict[str, Any]) -> dict[str, Any]:
    fit = SAMPLE["train"]
    return task(model, few_expressions("2018-02-01", "2020-06-30", fit), SAMPLE)


def alpha158_template() -> dict[str, Any]:
    fit = SEEDED["train"]
    return task(ridge(), alpha("Alpha158", "2019-02-01", "2020-08-11", fit), SEEDED)


def window() -> dict[str, Any]:
    return {"class": "Window", "module_path": "tests.qlib.window_model", "kwargs": {}}


def growing_template(model: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """One whose handler takes all there is."""
    return task(model, few_expressions("2019-02-01", None, SEEDED["train"]), SEEDED, **kwargs)


UPDATED_FROM = "2020-06-30"  # the last session when they are trained
UPDATED = {
    "updated_ridge": growing_template(ridge()),
    "updated_window": growing_template(window(), dataset="TSDatasetH", step_len=5),
}

# name: (panel, template, step, rtype)
QUICK_ROLLINGS = {
    "seeded_ridge_sliding": ("seeded", seeded_template(ridge()), 10, "sliding"),
    "seeded_lightgbm_few": ("seeded", seeded_template(lightgbm()), 50, "expanding"),
}
SLOW_ROLLINGS = {
    "seeded_lightgbm_expanding": ("seeded", seeded_template(lightgbm()), 10, "expanding"),
    "sample_ridge_expanding": ("sample", sample_template(ridge()), 12, "expanding"),
    "sample_lightgbm_sliding": ("sample", sample_template(lightgbm()), 12, "sliding"),
    "seeded_alpha158_sliding": ("seeded", alpha158_template(), 50, "sliding"),
}
