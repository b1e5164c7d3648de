"""This repository's code location with a state of its own, driven from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AS_OF = "2020-03-31"  # 27 rolls of sp500_ridge, 4 of sp500_lgbm


@dataclass(frozen=True)
class Site:
    """The environment of a user who works in a clone."""

    home: Path
    env: dict[str, str]

    def run(self, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the environment's ``bin`` folder, or ``python``."""
        program = str(Path(sys.executable).parent / command[0])
        return subprocess.run(
            [program, *command[1:]],
            cwd=ROOT,
            env={**self.env, **env},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=300,
        )

    def materialized(self, *key: str) -> Counter[str]:
        """Materialization events of an asset, counted by partition."""
        import dagster as dg

        with dg.DagsterInstance.from_config(self.env["DAGSTER_HOME"]) as instance:
            events = instance.fetch_materializations(dg.AssetKey(key), limit=1000).records
        return Counter(str(r.asset_materialization.partition) for r in events)  # type: ignore[union-attr]


@pytest.fixture
def site(home: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A site whose prices end on a day early in 2020."""
    import wf_dagster
    from wf_dagster.orchestration.dagster_home import prepare_dagster_home

    wf_dagster.init()
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    prepare_dagster_home(home)
    env = {**os.environ, "WF_AS_OF": AS_OF, "PYTHONWARNINGS": "ignore", "COLUMNS": "120"}
    return Site(home, env)
