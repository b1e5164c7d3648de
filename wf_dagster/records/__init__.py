"""What is computed from a trained model: predictions, their analysis, a portfolio."""

from typing import Any

from wf_dagster.qlib_bridge.qlib_classes import find_qlib_record
from wf_dagster.records.analysis import ic_series, long_short, signal_summary
from wf_dagster.records.plots import cumulative_plot_png, ic_plot_png, markdown_image
from wf_dagster.records.port_ana import PortAnaRecord
from wf_dagster.records.portfolio import Delisting, Simulation, simulate
from wf_dagster.records.portfolio_config import PortfolioConfig
from wf_dagster.records.portfolio_figures import risk_analysis
from wf_dagster.records.qlib_bases import add_qlib_bases
from wf_dagster.records.record_template import (
    ACRecordTemp,
    DependentRecord,
    RecordTemp,
    RecordTemplate,
)
from wf_dagster.records.sig_ana import SigAnaRecord
from wf_dagster.records.signal import SignalRecord
from wf_dagster.records.signal_metrics import (
    calc_all_ic,
    calc_ic,
    calc_long_short_prec,
    calc_long_short_return,
    pred_autocorr,
    pred_autocorr_all,
)

__all__ = [
    "ACRecordTemp",
    "Delisting",
    "DependentRecord",
    "PortAnaRecord",
    "PortfolioConfig",
    "RecordTemp",
    "RecordTemplate",
    "SigAnaRecord",
    "SignalRecord",
    "Simulation",
    "calc_all_ic",
    "calc_ic",
    "calc_long_short_prec",
    "calc_long_short_return",
    "cumulative_plot_png",
    "ic_plot_png",
    "ic_series",
    "long_short",
    "markdown_image",
    "pred_autocorr",
    "pred_autocorr_all",
    "risk_analysis",
    "signal_summary",
    "simulate",
]

add_qlib_bases()

# whose figures are those of Qlib's backtest: Qlib's own, on this project's recorders
_OF_QLIB = ("HFSignalRecord", "MultiPassPortAnaRecord")


def __getattr__(name: str) -> Any:
    if name not in _OF_QLIB:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return find_qlib_record(name)
