"""What is computed from a trained model: predictions, their analysis, a portfolio."""

from wf_dagster.records.analysis import ic_series, long_short, signal_summary
from wf_dagster.records.plots import cumulative_plot_png, ic_plot_png, markdown_image
from wf_dagster.records.port_ana import PortAnaRecord
from wf_dagster.records.portfolio import Delisting, Simulation, simulate
from wf_dagster.records.portfolio_config import PortfolioConfig
from wf_dagster.records.portfolio_figures import risk_analysis
from wf_dagster.records.record_template import RecordTemplate
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
    "Delisting",
    "PortAnaRecord",
    "PortfolioConfig",
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
