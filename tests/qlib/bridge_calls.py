"""The bridge as the adapter calls it, on the market of the settings.

Imports wait for the call: without pyqlib the tests are collected all the same.
"""

from __future__ import annotations

import copy
from typing import Any

from wf_dagster.market import Market
from wf_dagster.qlib_bridge import session


def initialise_qlib() -> None:
    session.ensure(Market().qlib_options)


def make_handler(config: Any, market: Market | None = None) -> Any:
    from wf_dagster.qlib_bridge import datasets

    return datasets.make_handler(copy.deepcopy(config), market or Market())


def make_dataset(config: Any) -> Any:
    from wf_dagster.qlib_bridge import datasets

    return datasets.make_dataset(config, Market())


def warm(*configs: Any) -> float:
    from wf_dagster.qlib_bridge import datasets

    return datasets.warm(configs, Market())


def reload(dataset: Any) -> None:
    from wf_dagster.qlib_bridge import datasets

    datasets.reload(dataset, Market())
