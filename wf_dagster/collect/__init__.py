"""Gather what many recorders hold, regroup it, and merge it into one."""

from wf_dagster.collect.collectors import Collector, MergeCollector, RecorderCollector
from wf_dagster.collect.ensembles import (
    AverageEnsemble,
    Ensemble,
    RollingEnsemble,
    SingleKeyEnsemble,
)
from wf_dagster.collect.groups import Group, RollingGroup
from wf_dagster.collect.joined_records import generate_joined_records, split_records
from wf_dagster.collect.recorder_lists import list_recorders
from wf_dagster.collect.rolling_collection import RollingCollection, collect_rolling
from wf_dagster.collect.strategy_analyses import StrategyAnalyses, analyse_strategy
from wf_dagster.collect.strategy_collection import (
    StrategyCollection,
    average_signals,
    collect_strategy,
    keep,
)

__all__ = [
    "AverageEnsemble",
    "Collector",
    "Ensemble",
    "Group",
    "MergeCollector",
    "RecorderCollector",
    "RollingCollection",
    "RollingEnsemble",
    "RollingGroup",
    "SingleKeyEnsemble",
    "StrategyAnalyses",
    "StrategyCollection",
    "analyse_strategy",
    "average_signals",
    "collect_rolling",
    "collect_strategy",
    "generate_joined_records",
    "keep",
    "list_recorders",
    "split_records",
]
