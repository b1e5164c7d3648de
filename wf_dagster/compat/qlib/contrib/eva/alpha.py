"""The names of ``qlib.contrib.eva.alpha``."""

from wf_dagster.compat.mirrored_names import qlib_names
from wf_dagster.records import (
    calc_all_ic,
    calc_ic,
    calc_long_short_prec,
    calc_long_short_return,
    pred_autocorr,
    pred_autocorr_all,
)

__all__ = [
    "calc_all_ic",
    "calc_ic",
    "calc_long_short_prec",
    "calc_long_short_return",
    "pred_autocorr",
    "pred_autocorr_all",
]

__getattr__ = qlib_names(__name__)
