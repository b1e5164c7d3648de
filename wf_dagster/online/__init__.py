"""Online serving: which models serve, kept current session by session."""

from wf_dagster.online.manager import OnlineManager
from wf_dagster.online.routine_report import RoutineReport
from wf_dagster.online.state import Change, OnlineState
from wf_dagster.online.strategy import OnlineStrategy, RollingStrategy
from wf_dagster.online.tool import OnlineTool, OnlineToolR
from wf_dagster.online.update import (
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
]
