"""Online serving: which models serve, kept current session by session."""

from wf_dagster.online.online_manager import OnlineManager
from wf_dagster.online.online_state import Change, OnlineState
from wf_dagster.online.online_strategy import OnlineStrategy
from wf_dagster.online.online_tool import OnlineTool, OnlineToolR
from wf_dagster.online.rolling_strategy import RollingStrategy
from wf_dagster.online.routine_report import RoutineReport
from wf_dagster.online.signal_revisions import load_revisions
from wf_dagster.online.updaters import (
    DSBasedUpdater,
    LabelUpdater,
    PredUpdater,
    RecordUpdater,
    RMDLoader,
)

__all__ = [
    "Change",
    "DSBasedUpdater",
    "LabelUpdater",
    "OnlineManager",
    "OnlineState",
    "OnlineStrategy",
    "OnlineTool",
    "OnlineToolR",
    "PredUpdater",
    "RMDLoader",
    "RecordUpdater",
    "RollingStrategy",
    "RoutineReport",
    "load_revisions",
]
