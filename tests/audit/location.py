"""A code location with a strategy that looks ahead, and one that does not."""

from __future__ import annotations

import dagster as dg

from tests.audit.test_audit import HONEST, OWN, REACH, STEP, template
from wf_dagster.orchestration import TrackingResource, build_rolling_assets
from wf_dagster.rolling import RollingGen

generator = RollingGen(STEP, RollingGen.ROLL_SD, trunc_days=REACH)
later = {"func": f"{OWN}.shifted", "kwargs": {"by": -2}}

defs = dg.Definitions(
    assets=[
        *build_rolling_assets("honest", template(), generator),
        *build_rolling_assets("leaking", template(features=[HONEST, later]), generator),
    ],
    resources={"tracking": TrackingResource()},
)
