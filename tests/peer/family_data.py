"""What the model families learn from: datasets of the benchmarks' shapes on small data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.qlib.provider import seeded_panel, write_provider
from tests.qlib.qlib_tasks import LABEL, few_expressions

SEED = 7
FEW, MANY = 8, 54  # names; the loss that MLP watches takes days of fifty and more
FIT = ("2019-04-01", "2019-07-31")
SEGMENTS = {
    "train": FIT,
    "valid": ("2019-08-01", "2019-08-30"),
    "test": ("2019-09-02", "2019-09-27"),
}
SPAN = {"start_time": "2019-03-29", "end_time": "2019-10-04"}
# twenty columns of Alpha158, as windows of them go to the recurrent models
COLUMNS = [
    *("RESI5", "WVMA5", "RSQR5", "KLEN", "RSQR10", "CORR5", "CORD5", "CORR10", "ROC60"),
    *("RESI10", "VSTD5", "RSQR60", "CORR60", "WVMA60", "STD5", "RSQR20", "CORD60", "CORD10"),
    *("CORR20", "KLOW"),
]
WINDOW = 20  # as many as columns: the TCN for windows takes no others
# of the names, one is not there on some days of the training segment
WITH_GAPS = ("SH600000", "SH600001", "SH600003", *(f"SH60000{number}" for number in range(10, 15)))


def write_data(folder: Path) -> Path:
    """Qlib's data, in a folder of the folder."""
    panel = seeded_panel(MANY, 200)
    names = sorted(panel.index.get_level_values("instrument").unique())
    markets = {"few": names[:FEW], "gaps": list(WITH_GAPS)}
    return write_provider(folder / "data", panel, markets=markets)


def _handler(cls: str, infer: list[Any] | None, learn: list[Any] | None, **kwargs: Any) -> Any:
    processors = {"infer_processors": infer, "learn_processors": learn}
    return {
        "class": cls,
        "module_path": "qlib.contrib.data.handler",
        "kwargs": {
            **SPAN,
            "fit_start_time": FIT[0],
            "fit_end_time": FIT[1],
            "instruments": "few",
            **{name: value for name, value in processors.items() if value is not None},
            **kwargs,
        },
    }


def _dataset(handler: Any, cls: str = "DatasetH", module: str = "qlib.data.dataset", **kwargs: Any):
    return {
        "class": cls,
        "module_path": module,
        "kwargs": {"handler": handler, "segments": SEGMENTS, **kwargs},
    }


def _processor(name: str, group: str | None = None, **kwargs: Any) -> dict[str, Any]:
    return {"class": name, "kwargs": {**({"fields_group": group} if group else {}), **kwargs}}


_ROBUST = [_processor("RobustZScoreNorm", "feature", clip_outlier=True)]
_ROBUST = [*_ROBUST, _processor("Fillna", "feature")]
_RANKED = [_processor("DropnaLabel"), _processor("CSRankNorm", "label")]
_SCORED = [_processor("DropnaLabel"), _processor("CSZScoreNorm", "label")]
_NO_VWAP = _processor("DropCol", col_list=["VWAP"])
_FILTERED = [_processor("FilterCol", "feature", col_list=COLUMNS), *_ROBUST]
_GAPS = {"instruments": "gaps"}
_ALPHA360 = _handler("Alpha360", _ROBUST, _RANKED, label=[LABEL])
_HORIZONS = [f"Ref($close, -{days + 1}) / Ref($close, -1) - 1" for days in (1, 2, 3)]

DATA: dict[str, dict[str, Any]] = {
    "Alpha158": _dataset(_handler("Alpha158", None, None)),
    "Alpha158 normalised": _dataset(_handler("Alpha158", _ROBUST, _RANKED)),
    "many names": _dataset(
        few_expressions(
            SPAN["start_time"],
            SPAN["end_time"],
            FIT,
            infer_processors=[_NO_VWAP, _processor("CSZFillna", "feature")],
            learn_processors=[_NO_VWAP, _processor("DropnaProcessor", "feature"), *_SCORED],
            process_type="independent",
        )
    ),
    "Alpha158 pretraining": {
        **(_pretraining := _dataset(_handler("Alpha158", _ROBUST, _RANKED))),
        "kwargs": {
            **_pretraining["kwargs"],
            "segments": {
                "pretrain": SEGMENTS["train"],
                "pretrain_validation": SEGMENTS["valid"],
                **SEGMENTS,
            },
        },
    },
    "Alpha158 windows": _dataset(
        _handler("Alpha158", _FILTERED, _RANKED, label=[LABEL]), "TSDatasetH", step_len=WINDOW
    ),
    "Alpha360": _dataset(_ALPHA360),
    # IGMTF cannot read days that have all as many names
    "Alpha360 gaps": _dataset(_handler("Alpha360", _ROBUST, _RANKED, label=[LABEL], **_GAPS)),
    "Alpha360 trees": _dataset(_handler("Alpha360", [], None)),
    "Alpha360 horizons": _dataset(
        _handler(
            "Alpha360",
            _ROBUST,
            _RANKED,
            label=[_HORIZONS, ["LABEL1", "LABEL2", "LABEL3"]],
        )
    ),
    "Alpha360 with memory": _dataset(
        _ALPHA360,
        "MTSDatasetH",
        "qlib.contrib.data.dataset",
        seq_len=60,
        horizon=2,
        input_size=6,
        num_states=3,
        batch_size=64,
        n_samples=None,
        memory_mode="sample",
        drop_last=True,
    ),
}
