"""Rolling forecasting workflows as Dagster assets, recorded in MLflow.

Public names load when first used, so that importing the package stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_WHERE = {
    "AssetPrices": "wf_dagster.orchestration",
    "AverageEnsemble": "wf_dagster.collect",
    "BrokenObjectError": "wf_dagster.errors",
    "CalendarError": "wf_dagster.errors",
    "CollectError": "wf_dagster.errors",
    "Collector": "wf_dagster.collect",
    "CsvPrices": "wf_dagster.prices",
    "DSBasedUpdater": "wf_dagster.online",
    "DataError": "wf_dagster.errors",
    "DelayTrainerR": "wf_dagster.training",
    "DelayTrainerRM": "wf_dagster.training",
    "Ensemble": "wf_dagster.collect",
    "ExpManager": "wf_dagster.tracking",
    "Experiment": "wf_dagster.tracking",
    "ExperimentDeletedError": "wf_dagster.errors",
    "ExperimentNotFoundError": "wf_dagster.errors",
    "FeatherPrices": "wf_dagster.prices",
    "FramesIOManager": "wf_dagster.orchestration",
    "Group": "wf_dagster.collect",
    "LabelUpdater": "wf_dagster.online",
    "LeaseError": "wf_dagster.errors",
    "LightGBMModel": "wf_dagster.models",
    "LoadObjectError": "wf_dagster.errors",
    "MLflowExpManager": "wf_dagster.tracking",
    "MLflowExperiment": "wf_dagster.tracking",
    "MLflowRecorder": "wf_dagster.tracking",
    "Market": "wf_dagster.market",
    "MergeCollector": "wf_dagster.collect",
    "MissingExtraError": "wf_dagster.errors",
    "MultiHorizonGen": "wf_dagster.rolling",
    "MultiHorizonGenBase": "wf_dagster.rolling",
    "ObjectNotFoundError": "wf_dagster.errors",
    "OnlineError": "wf_dagster.errors",
    "OnlineManager": "wf_dagster.online",
    "OnlineStrategy": "wf_dagster.online",
    "OnlineTool": "wf_dagster.online",
    "OnlineToolR": "wf_dagster.online",
    "OwnPrices": "wf_dagster.prices",
    "PanelDataset": "wf_dagster.data",
    "ParquetPrices": "wf_dagster.prices",
    "PoolError": "wf_dagster.errors",
    "PoolInputError": "wf_dagster.errors",
    "PoolStoreError": "wf_dagster.errors",
    "PortAnaRecord": "wf_dagster.records",
    "PredUpdater": "wf_dagster.online",
    "QlibRecorder": "wf_dagster.tracking",
    "R": "wf_dagster.tracking",
    "RMDLoader": "wf_dagster.online",
    "RecordError": "wf_dagster.errors",
    "RecordUpdater": "wf_dagster.online",
    "Recorder": "wf_dagster.tracking",
    "RecorderCollector": "wf_dagster.collect",
    "RecorderNotFoundError": "wf_dagster.errors",
    "ResourcePrices": "wf_dagster.orchestration",
    "Roll": "wf_dagster.rolling",
    "RollKeyError": "wf_dagster.errors",
    "RollingAssets": "wf_dagster.orchestration",
    "RollingEnsemble": "wf_dagster.collect",
    "RollingGen": "wf_dagster.rolling",
    "RollingGroup": "wf_dagster.collect",
    "RollingStrategy": "wf_dagster.online",
    "RollingStrategyComponent": "wf_dagster.orchestration",
    "RollingStrategySpec": "wf_dagster.orchestration",
    "RollingTranslator": "wf_dagster.orchestration",
    "Rolls": "wf_dagster.rolling",
    "SamplePrices": "wf_dagster.prices",
    "Settings": "wf_dagster.settings",
    "SettingsError": "wf_dagster.errors",
    "SigAnaRecord": "wf_dagster.records",
    "SignalRecord": "wf_dagster.records",
    "SingleKeyEnsemble": "wf_dagster.collect",
    "SklearnModel": "wf_dagster.models",
    "SqlPrices": "wf_dagster.prices",
    "TaskError": "wf_dagster.errors",
    "TaskGen": "wf_dagster.rolling",
    "TaskManager": "wf_dagster.pool",
    "TaskNotFoundError": "wf_dagster.errors",
    "TaskPoolResource": "wf_dagster.orchestration",
    "TrackingError": "wf_dagster.errors",
    "TrackingResource": "wf_dagster.orchestration",
    "TradingCalendar": "wf_dagster.calendars",
    "Trainer": "wf_dagster.training",
    "TrainerR": "wf_dagster.training",
    "TrainerRM": "wf_dagster.training",
    "TrainingError": "wf_dagster.errors",
    "UnsafeObjectError": "wf_dagster.errors",
    "WfError": "wf_dagster.errors",
    "begin_task_train": "wf_dagster.training",
    "build_freshness_sensor": "wf_dagster.orchestration",
    "build_online_checks": "wf_dagster.orchestration",
    "build_online_schedule": "wf_dagster.orchestration",
    "build_prices_asset": "wf_dagster.orchestration",
    "build_rolling_assets": "wf_dagster.orchestration",
    "build_signals_asset": "wf_dagster.orchestration",
    "build_strategy_definitions": "wf_dagster.orchestration",
    "end_task_train": "wf_dagster.training",
    "failed_recorder_sensor": "wf_dagster.orchestration",
    "fingerprint": "wf_dagster.tasks",
    "get_settings": "wf_dagster.settings",
    "handler_mod": "wf_dagster.rolling",
    "init": "wf_dagster.settings",
    "load_analyses": "wf_dagster.frames",
    "load_collected": "wf_dagster.frames",
    "load_labels": "wf_dagster.frames",
    "load_online_models": "wf_dagster.frames",
    "load_predictions": "wf_dagster.frames",
    "load_recorders": "wf_dagster.frames",
    "load_signals": "wf_dagster.frames",
    "new_data_sensor": "wf_dagster.orchestration",
    "price_source": "wf_dagster.market",
    "roll_due_sensor": "wf_dagster.orchestration",
    "roll_input": "wf_dagster.orchestration",
    "rolling_asset_specs": "wf_dagster.orchestration",
    "run_task": "wf_dagster.pool",
    "task_generator": "wf_dagster.rolling",
    "task_train": "wf_dagster.training",
    "train_rolls": "wf_dagster.training",
}

__all__ = list(_WHERE)

if TYPE_CHECKING:
    __version__: str

    from wf_dagster.calendars import TradingCalendar as TradingCalendar
    from wf_dagster.collect import AverageEnsemble as AverageEnsemble
    from wf_dagster.collect import Collector as Collector
    from wf_dagster.collect import Ensemble as Ensemble
    from wf_dagster.collect import Group as Group
    from wf_dagster.collect import MergeCollector as MergeCollector
    from wf_dagster.collect import RecorderCollector as RecorderCollector
    from wf_dagster.collect import RollingEnsemble as RollingEnsemble
    from wf_dagster.collect import RollingGroup as RollingGroup
    from wf_dagster.collect import SingleKeyEnsemble as SingleKeyEnsemble
    from wf_dagster.data import PanelDataset as PanelDataset
    from wf_dagster.errors import BrokenObjectError as BrokenObjectError
    from wf_dagster.errors import CalendarError as CalendarError
    from wf_dagster.errors import CollectError as CollectError
    from wf_dagster.errors import DataError as DataError
    from wf_dagster.errors import ExperimentDeletedError as ExperimentDeletedError
    from wf_dagster.errors import ExperimentNotFoundError as ExperimentNotFoundError
    from wf_dagster.errors import LeaseError as LeaseError
    from wf_dagster.errors import LoadObjectError as LoadObjectError
    from wf_dagster.errors import MissingExtraError as MissingExtraError
    from wf_dagster.errors import ObjectNotFoundError as ObjectNotFoundError
    from wf_dagster.errors import OnlineError as OnlineError
    from wf_dagster.errors import PoolError as PoolError
    from wf_dagster.errors import PoolInputError as PoolInputError
    from wf_dagster.errors import PoolStoreError as PoolStoreError
    from wf_dagster.errors import RecorderNotFoundError as RecorderNotFoundError
    from wf_dagster.errors import RecordError as RecordError
    from wf_dagster.errors import RollKeyError as RollKeyError
    from wf_dagster.errors import SettingsError as SettingsError
    from wf_dagster.errors import TaskError as TaskError
    from wf_dagster.errors import TaskNotFoundError as TaskNotFoundError
    from wf_dagster.errors import TrackingError as TrackingError
    from wf_dagster.errors import TrainingError as TrainingError
    from wf_dagster.errors import UnsafeObjectError as UnsafeObjectError
    from wf_dagster.errors import WfError as WfError
    from wf_dagster.frames import load_analyses as load_analyses
    from wf_dagster.frames import load_collected as load_collected
    from wf_dagster.frames import load_labels as load_labels
    from wf_dagster.frames import load_online_models as load_online_models
    from wf_dagster.frames import load_predictions as load_predictions
    from wf_dagster.frames import load_recorders as load_recorders
    from wf_dagster.frames import load_signals as load_signals
    from wf_dagster.market import Market as Market
    from wf_dagster.market import price_source as price_source
    from wf_dagster.models import LightGBMModel as LightGBMModel
    from wf_dagster.models import SklearnModel as SklearnModel
    from wf_dagster.online import DSBasedUpdater as DSBasedUpdater
    from wf_dagster.online import LabelUpdater as LabelUpdater
    from wf_dagster.online import OnlineManager as OnlineManager
    from wf_dagster.online import OnlineStrategy as OnlineStrategy
    from wf_dagster.online import OnlineTool as OnlineTool
    from wf_dagster.online import OnlineToolR as OnlineToolR
    from wf_dagster.online import PredUpdater as PredUpdater
    from wf_dagster.online import RecordUpdater as RecordUpdater
    from wf_dagster.online import RMDLoader as RMDLoader
    from wf_dagster.online import RollingStrategy as RollingStrategy
    from wf_dagster.orchestration import AssetPrices as AssetPrices
    from wf_dagster.orchestration import FramesIOManager as FramesIOManager
    from wf_dagster.orchestration import ResourcePrices as ResourcePrices
    from wf_dagster.orchestration import RollingAssets as RollingAssets
    from wf_dagster.orchestration import RollingStrategyComponent as RollingStrategyComponent
    from wf_dagster.orchestration import RollingStrategySpec as RollingStrategySpec
    from wf_dagster.orchestration import RollingTranslator as RollingTranslator
    from wf_dagster.orchestration import TaskPoolResource as TaskPoolResource
    from wf_dagster.orchestration import TrackingResource as TrackingResource
    from wf_dagster.orchestration import build_freshness_sensor as build_freshness_sensor
    from wf_dagster.orchestration import build_online_checks as build_online_checks
    from wf_dagster.orchestration import build_online_schedule as build_online_schedule
    from wf_dagster.orchestration import build_prices_asset as build_prices_asset
    from wf_dagster.orchestration import build_rolling_assets as build_rolling_assets
    from wf_dagster.orchestration import build_signals_asset as build_signals_asset
    from wf_dagster.orchestration import build_strategy_definitions as build_strategy_definitions
    from wf_dagster.orchestration import failed_recorder_sensor as failed_recorder_sensor
    from wf_dagster.orchestration import new_data_sensor as new_data_sensor
    from wf_dagster.orchestration import roll_due_sensor as roll_due_sensor
    from wf_dagster.orchestration import roll_input as roll_input
    from wf_dagster.orchestration import rolling_asset_specs as rolling_asset_specs
    from wf_dagster.pool import TaskManager as TaskManager
    from wf_dagster.pool import run_task as run_task
    from wf_dagster.prices import CsvPrices as CsvPrices
    from wf_dagster.prices import FeatherPrices as FeatherPrices
    from wf_dagster.prices import OwnPrices as OwnPrices
    from wf_dagster.prices import ParquetPrices as ParquetPrices
    from wf_dagster.prices import SamplePrices as SamplePrices
    from wf_dagster.prices import SqlPrices as SqlPrices
    from wf_dagster.records import PortAnaRecord as PortAnaRecord
    from wf_dagster.records import SigAnaRecord as SigAnaRecord
    from wf_dagster.records import SignalRecord as SignalRecord
    from wf_dagster.rolling import MultiHorizonGen as MultiHorizonGen
    from wf_dagster.rolling import MultiHorizonGenBase as MultiHorizonGenBase
    from wf_dagster.rolling import Roll as Roll
    from wf_dagster.rolling import RollingGen as RollingGen
    from wf_dagster.rolling import Rolls as Rolls
    from wf_dagster.rolling import TaskGen as TaskGen
    from wf_dagster.rolling import handler_mod as handler_mod
    from wf_dagster.rolling import task_generator as task_generator
    from wf_dagster.settings import Settings as Settings
    from wf_dagster.settings import get_settings as get_settings
    from wf_dagster.settings import init as init
    from wf_dagster.tasks import fingerprint as fingerprint
    from wf_dagster.tracking import Experiment as Experiment
    from wf_dagster.tracking import ExpManager as ExpManager
    from wf_dagster.tracking import MLflowExperiment as MLflowExperiment
    from wf_dagster.tracking import MLflowExpManager as MLflowExpManager
    from wf_dagster.tracking import MLflowRecorder as MLflowRecorder
    from wf_dagster.tracking import QlibRecorder as QlibRecorder
    from wf_dagster.tracking import R as R
    from wf_dagster.tracking import Recorder as Recorder
    from wf_dagster.training import DelayTrainerR as DelayTrainerR
    from wf_dagster.training import DelayTrainerRM as DelayTrainerRM
    from wf_dagster.training import Trainer as Trainer
    from wf_dagster.training import TrainerR as TrainerR
    from wf_dagster.training import TrainerRM as TrainerRM
    from wf_dagster.training import begin_task_train as begin_task_train
    from wf_dagster.training import end_task_train as end_task_train
    from wf_dagster.training import task_train as task_train
    from wf_dagster.training import train_rolls as train_rolls


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # slow to import

        value = version("wf-dagster")
    elif name in _WHERE:
        value = getattr(importlib.import_module(_WHERE[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    # whenever definitions of any project load, Dagster's registry of components looks at each name
    # that is listed here: those that load heavy libraries are in __all__ alone
    return sorted({*globals(), "RollingStrategyComponent", "__version__"})
