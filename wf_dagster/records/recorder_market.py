"""The market that a recorder's predictions are of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wf_dagster.data.adapters import adapter_of
from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.market import Market, is_qlib_in_use
from wf_dagster.prices.descriptions import SAMPLE
from wf_dagster.qlib_bridge.options import QLIB
from wf_dagster.settings import get_settings

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

MARKET = "market"  # object of a recorder whose market is not that of the settings
_TASK = "task"


def load_market(recorder: Recorder) -> Market:
    """The market that a recorder was trained on; that of the settings unless it holds another."""
    return _find_market(recorder) or Market()


def load_task_market(recorder: Recorder) -> Market:
    """The market of a recorder with the prices that its predictions are of.

    They are those that its task names, Qlib's for Qlib's datasets. Where a script trained it and
    there is no task, they are those of the dataset that it was predicted from, if one of this
    project's records knew it, and else those in use: Qlib's, unless the settings name others.
    """
    market = _find_market(recorder)
    try:
        task = recorder.load_object(_TASK)
    except ObjectNotFoundError:
        return market or find_market_in_use()
    return adapter_of(task, market or Market()).market


def note_market(recorder: Recorder, dataset: Any) -> None:
    """Keep the market of a script's dataset where nothing else of the recorder tells it.

    Args:
        recorder: Where predictions of the dataset are kept.
        dataset: A dataset, whoever's class it is of.
    """
    own = getattr(dataset, "market", None)
    own = own if isinstance(own, Market) else Market()
    market = adapter_of({"dataset": dataset}, own).market.without_as_of()
    if market != find_market_in_use() and not {_TASK, MARKET} & set(recorder.list_artifacts()):
        objects: dict[str, Any] = {MARKET: market}
        recorder.save_objects(**objects)
        recorder.trust(market.modules)


def find_market_in_use() -> Market:
    """The market of a script that names none: on Qlib's prices, if Qlib is in use.

    Prices that the settings name count more.
    """
    settings = get_settings()
    is_named = settings.prices != SAMPLE
    return Market() if is_named or not is_qlib_in_use(settings) else Market(QLIB)


def _find_market(recorder: Recorder) -> Market | None:
    try:
        market: Market = recorder.load_object(MARKET)
    except ObjectNotFoundError:
        return None
    return market
