"""The market that a recorder was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.market import Market

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

MARKET = "market"  # object of a recorder whose market is not that of the settings


def load_market(recorder: Recorder) -> Market:
    """The market that a recorder was trained on; that of the settings unless it holds another."""
    try:
        market: Market = recorder.load_object(MARKET)
    except ObjectNotFoundError:
        return Market()
    return market


def load_task_market(recorder: Recorder) -> Market:
    """The market of a recorder with the prices that its task names, Qlib's for Qlib's datasets."""
    market = load_market(recorder)
    try:
        task = recorder.load_object("task")
    except ObjectNotFoundError:  # not trained from a task
        return market
    return adapter_of(task, market).market
