"""Rolling forecasting workflows as Dagster assets, recorded in MLflow.

Public names load when first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_WHERE = {
    "AverageEnsemble": "wf_dagster.collect",
    "CsvPrices": "wf_dagster.data",
    "ExpManager": "wf_dagster.tracking",
    "Experiment": "wf_dagster.tracking",
    "LightGBMModel": "wf_dagster.models",
    "MultiHorizonGen": "wf_dagster.tasks",
    "MultiHorizonGenBase": "wf_dagster.tasks",
    "MLflowExpManager": "wf_dagster.tracking",
    "MLflowExperiment": "wf_dagster.tracking",
    "MLflowRecorder": "wf_dagster.tracking",
    "PanelDataset": "wf_dagster.data",
    "ParquetPrices": "wf_dagster.data",
    "PortAnaRecord": "wf_dagster.records",
    "QlibRecorder": "wf_dagster.tracking",
    "R": "wf_dagster.tracking",
    "Recorder": "wf_dagster.tracking",
    "RecorderCollector": "wf_dagster.collect",
    "Roll": "wf_dagster.tasks",
    "RollingEnsemble": "wf_dagster.collect",
    "RollingGen": "wf_dagster.tasks",
    "Rolls": "wf_dagster.tasks",
    "SamplePrices": "wf_dagster.data",
    "Settings": "wf_dagster.settings",
    "SigAnaRecord": "wf_dagster.records",
    "SignalRecord": "wf_dagster.records",
    "SklearnModel": "wf_dagster.models",
    "TaskGen": "wf_dagster.tasks",
    "TradingCalendar": "wf_dagster.calendars",
    "build_rolling_assets": "wf_dagster.orchestration",
    "build_signals_asset": "wf_dagster.orchestration",
    "fingerprint": "wf_dagster.tasks",
    "get_settings": "wf_dagster.settings",
    "handler_mod": "wf_dagster.tasks",
    "init": "wf_dagster.settings",
    "price_source": "wf_dagster.data",
    "task_generator": "wf_dagster.tasks",
    "task_train": "wf_dagster.training",
    "train_rolls": "wf_dagster.training",
}

__all__ = list(_WHERE)

if TYPE_CHECKING:
    from wf_dagster.calendars import TradingCalendar as TradingCalendar
    from wf_dagster.collect import AverageEnsemble as AverageEnsemble
    from wf_dagster.collect import RecorderCollector as RecorderCollector
    from wf_dagster.collect import RollingEnsemble as RollingEnsemble
    from wf_dagster.data import CsvPrices as CsvPrices
    from wf_dagster.data import PanelDataset as PanelDataset
    from wf_dagster.data import ParquetPrices as ParquetPrices
    from wf_dagster.data import SamplePrices as SamplePrices
    from wf_dagster.data import price_source as price_source
    from wf_dagster.models import LightGBMModel as LightGBMModel
    from wf_dagster.models import SklearnModel as SklearnModel
    from wf_dagster.orchestration import build_rolling_assets as build_rolling_assets
    from wf_dagster.orchestration import build_signals_asset as build_signals_asset
    from wf_dagster.records import PortAnaRecord as PortAnaRecord
    from wf_dagster.records import SigAnaRecord as SigAnaRecord
    from wf_dagster.records import SignalRecord as SignalRecord
    from wf_dagster.settings import Settings as Settings
    from wf_dagster.settings import get_settings as get_settings
    from wf_dagster.settings import init as init
    from wf_dagster.tasks import MultiHorizonGen as MultiHorizonGen
    from wf_dagster.tasks import MultiHorizonGenBase as MultiHorizonGenBase
    from wf_dagster.tasks import Roll as Roll
    from wf_dagster.tasks import RollingGen as RollingGen
    from wf_dagster.tasks import Rolls as Rolls
    from wf_dagster.tasks import TaskGen as TaskGen
    from wf_dagster.tasks import fingerprint as fingerprint
    from wf_dagster.tasks import handler_mod as handler_mod
    from wf_dagster.tasks import task_generator as task_generator
    from wf_dagster.tracking import Experiment as Experiment
    from wf_dagster.tracking import ExpManager as ExpManager
    from wf_dagster.tracking import MLflowExperiment as MLflowExperiment
    from wf_dagster.tracking import MLflowExpManager as MLflowExpManager
    from wf_dagster.tracking import MLflowRecorder as MLflowRecorder
    from wf_dagster.tracking import QlibRecorder as QlibRecorder
    from wf_dagster.tracking import R as R
    from wf_dagster.tracking import Recorder as Recorder
    from wf_dagster.training import task_train as task_train
    from wf_dagster.training import train_rolls as train_rolls


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
