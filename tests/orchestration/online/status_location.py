"""The code location whose status is asked for: the strategy of a life, and its signals."""

from __future__ import annotations

import dagster as dg

from tests.orchestration.online.life import create_assets
from wf_dagster.orchestration import TrackingResource, build_signals_asset

strategy = create_assets(key_prefix="fund")

defs = dg.Definitions(
    assets=[*strategy, build_signals_asset([strategy])],
    resources={"tracking": TrackingResource()},
)
