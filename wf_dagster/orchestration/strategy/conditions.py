"""The declarative way of online serving: assets that follow their prices by themselves.

Dagster's automation launches runs without a configuration. One that it launches for the rolls of a
strategy works through the last session with prices, as the online schedule does; pressing
Materialize still does what it did. What changed in other rolls than that of the run is marked by
events, and what is downstream follows those events in runs of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import dagster as dg

from wf_dagster.errors import OnlineError
from wf_dagster.orchestration.run_tags import AUTOMATION_TAG
from wf_dagster.orchestration.strategy.strategy_metadata import PART_TAG

Automation = Literal["manual", "declarative"]


def is_declarative(automation: str) -> bool:
    """Whether assets carry conditions.

    Raises:
        OnlineError: It is neither ``"manual"`` nor ``"declarative"``.
    """
    if automation not in ("manual", "declarative"):
        raise OnlineError(f"automation {automation!r} is unknown: use 'manual' or 'declarative'")
    return automation == "declarative"


def on_new_prices() -> dg.AutomationCondition[Any]:
    """The latest roll, each time its prices have another version.

    They are all that it depends on beside ``recorders``, which are left out by a tag: their key
    may be another one than they were defined with.
    """
    condition = dg.AutomationCondition
    recorders = dg.AssetSelection.tag(PART_TAG, "recorders")
    changed = condition.any_deps_updated().ignore(recorders)
    return (
        condition.in_latest_time_window() & changed.since_last_handled() & ~condition.in_progress()
    ).with_label("on_new_prices")


def on_new_results() -> dg.AutomationCondition[Any]:
    """Each time something upstream is new, though some of it may never have been made."""
    condition = dg.AutomationCondition
    return (
        condition.any_deps_updated().since_last_handled()
        & ~condition.any_deps_in_progress()
        & ~condition.in_progress()
    ).with_label("on_new_results")


def launched_by_automation(tags: Mapping[str, str]) -> bool:
    """Whether a run was launched by the conditions of its assets."""
    return AUTOMATION_TAG in tags
