"""The model families of Qlib's benchmarks that run on a CPU: small tasks of their shapes.

Classes, processors and datasets are those of the benchmarks; widths, epochs and data are small, and
every model has a seed and one thread.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from tests.peer.family_data import COLUMNS, DATA, SEED
from tests.qlib.qlib_tasks import EXPRESSIONS, RECORDS


@dataclass(frozen=True)
class Family:
    """A model of Qlib's benchmarks on one kind of data.

    Args:
        module: Of ``qlib.contrib.model``.
        cls: The class.
        data: Key of :data:`DATA`.
        kwargs: Of the model, without the seed.
        packages: What it imports beside Qlib.
        seeds: Names of the arguments for seeds.
        is_seeded: Its own seed is enough; else two runs of plain Qlib differ unless the global
            generators of NumPy and PyTorch have one too.
    """

    module: str
    cls: str
    data: str
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ("torch",)
    seeds: tuple[str, ...] = ("seed",)
    is_seeded: bool = True

    @property
    def missing(self) -> list[str]:
        """Packages that are not installed."""
        return [name for name in ("qlib", *self.packages) if find_spec(name) is None]

    def task(self) -> dict[str, Any]:
        """The task, with the seed."""
        return {
            "model": {
                "class": self.cls,
                "module_path": f"qlib.contrib.model.{self.module}",
                "kwargs": {**self.kwargs, **dict.fromkeys(self.seeds, SEED)},
            },
            "dataset": DATA[self.data],
            "record": RECORDS,
        }


_TREES = {"num_boost_round": 6, "early_stopping_rounds": 3}
_LIGHTGBM: dict[str, Any] = {
    "loss": "mse",
    "colsample_bytree": 0.8879,
    "learning_rate": 0.2,
    "subsample": 0.8789,
    "lambda_l1": 2.0,
    "lambda_l2": 5.0,
    "max_depth": 4,
    "num_leaves": 10,
    "num_threads": 1,
    "verbosity": -1,
}
_EPOCHS = {"n_epochs": 2, "early_stop": 2, "metric": "loss", "loss": "mse", "GPU": -1}
_NET = {**_EPOCHS, "lr": 1e-3, "batch_size": 100}
_RNN = {**_NET, "hidden_size": 8, "num_layers": 2, "dropout": 0.1}
_DAILY = {name: value for name, value in _RNN.items() if name != "batch_size"}
_TCN = {**_NET, "n_chans": 6, "kernel_size": 3, "num_layers": 2, "dropout": 0.2}
_FORMER = {
    **_NET,
    "n_epochs": 1,
    "d_model": 8,
    "nhead": 2,
    "num_layers": 1,
    "dropout": 0.1,
    "n_jobs": 0,
}
_KRNN = {"cnn_kernel_size": 3, "rnn_dups": 2, "rnn_layers": 1, "dropout": 0.1, "fea_dim": 6}
_WIDE, _LONG = {"d_feat": len(COLUMNS), "n_jobs": 0}, {"d_feat": 6}


def _both(module: str, cls: str, kwargs: Mapping[str, Any]) -> dict[str, Family]:
    """A model that has one form for windows of Alpha158 and one for Alpha360."""
    return {
        "Alpha158": Family(f"{module}_ts", cls, "Alpha158 windows", {**kwargs, **_WIDE}),
        "Alpha360": Family(module, cls, "Alpha360", {**kwargs, **_LONG}),
    }


_BY_NAME: dict[str, dict[str, Family]] = {
    "Linear": {
        "Alpha158": Family(
            "linear", "LinearModel", "Alpha158 normalised", {"estimator": "ols"}, (), ()
        )
    },
    "LightGBM": {
        name: Family("gbdt", "LGBModel", data, {**_LIGHTGBM, **_TREES}, ("lightgbm",))
        for name, data in (("Alpha158", "Alpha158"), ("Alpha360", "Alpha360 trees"))
    },
    "DoubleEnsemble": {
        "Alpha158": Family(
            "double_ensemble",
            "DEnsembleModel",
            "Alpha158",
            {
                **_LIGHTGBM,
                "base_model": "gbm",
                "num_models": 3,
                "enable_sr": True,
                "enable_fs": True,
                "alpha1": 1,
                "alpha2": 1,
                "bins_sr": 5,
                "bins_fs": 3,
                "decay": 0.5,
                "sample_ratios": [0.8, 0.7, 0.6],
                "sub_weights": [1, 0.5, 0.2],
                "epochs": 5,
            },
            ("lightgbm",),
            is_seeded=False,  # shuffles columns with NumPy's generator
        )
    },
    "XGBoost": {
        "Alpha158": Family(
            "xgboost",
            "XGBModel",
            "Alpha158",
            {"colsample_bytree": 0.8, "eta": 0.1, "max_depth": 4, "subsample": 0.8, "nthread": 1},
            ("xgboost",),
        )
    },
    "CatBoost": {
        "Alpha158": Family(
            "catboost_model",
            "CatBoostModel",
            "Alpha158",
            {
                "loss": "RMSE",
                "learning_rate": 0.1,
                "subsample": 0.8,
                "max_depth": 4,
                "num_leaves": 10,
                "thread_count": 1,
                "grow_policy": "Lossguide",
                "bootstrap_type": "Bernoulli",
                "allow_writing_files": False,
            },
            ("catboost",),
            ("random_seed",),
        )
    },
    "MLP": {
        "many names": Family(
            "pytorch_nn",
            "DNNModelPytorch",
            "many names",
            {
                "loss": "mse",
                "lr": 0.002,
                "optimizer": "adam",
                "max_steps": 30,
                "eval_steps": 10,
                "batch_size": 128,
                "GPU": -1,
                "weight_decay": 0.0002,
                # Qlib's own default names an argument that newer PyTorch has no longer
                "scheduler": None,
                "pt_model_kwargs": {"input_dim": len(EXPRESSIONS) - 1, "layers": (16,)},
            },
        )
    },
    "GRU": _both("pytorch_gru", "GRU", _RNN),
    "LSTM": _both("pytorch_lstm", "LSTM", _RNN),
    "ALSTM": _both("pytorch_alstm", "ALSTM", {**_RNN, "rnn_type": "GRU"}),
    "TCN": _both("pytorch_tcn", "TCN", _TCN),
    "Transformer": _both("pytorch_transformer", "TransformerModel", _FORMER),
    "Localformer": _both("pytorch_localformer", "LocalformerModel", _FORMER),
    "GATs": _both("pytorch_gats", "GATs", {**_DAILY, "base_model": "LSTM", "hidden_size": 64}),
    "GeneralPTNN": {
        "Alpha158": Family(
            "pytorch_general_nn",
            "GeneralPTNN",
            "Alpha158 windows",
            {
                **_NET,
                "n_jobs": 0,
                "pt_model_uri": "qlib.contrib.model.pytorch_gru_ts.GRUModel",
                "pt_model_kwargs": {"d_feat": len(COLUMNS), "hidden_size": 8, "num_layers": 1},
            },
            is_seeded=False,  # makes the network before it uses its seed
        )
    },
    "TabNet": {
        "Alpha158": Family(
            "pytorch_tabnet",
            "TabnetModel",
            "Alpha158 pretraining",
            {
                **_NET,
                "d_feat": 158,
                "pretrain": True,
                "pretrain_n_epochs": 2,
                "out_dim": 8,
                "n_d": 8,
                "n_a": 8,
                "vbs": 50,
                "n_steps": 2,
            },
        )
    },
    "ADARNN": {
        "Alpha360": Family(
            "pytorch_adarnn", "ADARNN", "Alpha360", {**_RNN, **_LONG, "pre_epoch": 1, "n_splits": 2}
        )
    },
    "ADD": {
        "Alpha360": Family(
            "pytorch_add", "ADD", "Alpha360", {**_RNN, **_LONG, "metric": "ic", "dec_dropout": 0.1}
        )
    },
    "IGMTF": {
        "Alpha360": Family(
            "pytorch_igmtf",
            "IGMTF",
            "Alpha360 gaps",
            {**_DAILY, **_LONG, "hidden_size": 64, "metric": "ic", "base_model": "LSTM"},
        )
    },
    "KRNN": {
        "Alpha360": Family(
            "pytorch_krnn", "KRNN", "Alpha360", {**_NET, **_KRNN, "cnn_dim": 8, "rnn_dim": 8}
        )
    },
    "Sandwich": {
        "Alpha360": Family(
            "pytorch_sandwich",
            "Sandwich",
            "Alpha360",
            {**_NET, **_KRNN, "cnn_dim_1": 8, "cnn_dim_2": 6, "rnn_dim_1": 6, "rnn_dim_2": 4},
        )
    },
    "SFM": {
        "Alpha360": Family(
            "pytorch_sfm",
            "SFM",
            "Alpha360",
            {
                **_NET,
                **_LONG,
                "hidden_size": 8,
                "output_dim": 6,
                "freq_dim": 5,
                "dropout_W": 0.5,
                "dropout_U": 0.5,
                "optimizer": "adam",
            },
        )
    },
    "TCTS": {
        "Alpha360": Family(
            "pytorch_tcts",
            "TCTS",
            "Alpha360 horizons",
            {
                **_RNN,
                **_LONG,
                "fore_lr": 2e-3,
                "weight_lr": 2e-3,
                "steps": 2,
                "input_dim": 360,
                "output_dim": 3,
                "target_label": 1,
                "lowest_valid_performance": 100.0,
            },
        )
    },
    "TRA": {
        "Alpha360": Family(
            "pytorch_tra",
            "TRAModel",
            "Alpha360 with memory",
            {
                "lr": 1e-3,
                "n_epochs": 2,
                "early_stop": 2,
                "max_steps_per_epoch": 5,
                "lamb": 1.0,
                "rho": 0.99,
                "alpha": 0.5,
                "transport_method": "router",
                "memory_mode": "sample",
                "pretrain": True,
                "model_config": {
                    "input_size": 6,
                    "hidden_size": 8,
                    "num_layers": 1,
                    "rnn_arch": "LSTM",
                    "use_attn": True,
                    "dropout": 0.0,
                },
                "model_type": "RNN",
                "tra_config": {
                    "num_states": 3,
                    "rnn_arch": "LSTM",
                    "hidden_size": 8,
                    "num_layers": 1,
                    "dropout": 0.0,
                    "tau": 1.0,
                    "src_info": "LR_TPE",
                },
            },
        )
    },
}
FAMILIES = {
    f"{name} {data}": family for name, by in _BY_NAME.items() for data, family in by.items()
}
