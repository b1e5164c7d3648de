"""The page on Dagster: its example loads, and its further pieces do on top of it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from tests.orchestration.hosted import Host, checks_of, keys_of
from tests.orchestration.online.life import failures
from wf_dagster import build_signals_asset

PAGE = Path(__file__).parents[2] / "docs" / "dagster.md"


def test_each_example_of_the_page_loads() -> None:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)
    values: dict[str, Any] = {}
    exec(blocks[0], values)
    host = Host(values["defs"], dg.DagsterInstance.ephemeral())
    assert "momentum/signals" in keys_of(host.definitions)
    parts = [f"momentum/{part}" for part in ("recorders", "predictions", "labels")]
    result = host.backfill(parts, "2021-01-01", "2021-01-01")
    assert result.success, failures(result)
    assert checks_of(result)["momentum/predictions: complete"]

    @dg.asset(deps=[dg.AssetKey(["momentum", "signals"])])
    def report() -> None: ...

    values["value"] = replace(values["momentum"], name="value")
    values["report"] = report
    values["build_signals_asset"] = build_signals_asset
    found = []
    for block in blocks[1:]:
        if "RollingStrategyComponent" in block or "analyses=[" in block:
            exec(block, values)  # a class, or the strategy of the blocks that follow
            continue
        if "with_signals=False" in block:
            for name in ("momentum", "value"):
                values[name] = replace(values[name], signals="signals")
        exec(block.replace("schedules=[...]", ""), values)
        dg.Definitions.validate_loadable(values["defs"])
        found.append(keys_of(values["defs"]))
    merged, shared, by_name, by_desk = found
    assert {"momentum/signals", "value/signals", "report"} <= merged
    assert "momentum/analyses" in merged
    assert "signals" in shared & by_name
    assert {"desk/momentum/predictions", "universe"} <= by_desk
