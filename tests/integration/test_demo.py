"""The demo: through Dagster, honest figures, nothing twice."""

from __future__ import annotations

import re
import subprocess
import sys
import time

import pytest

from tests.integration.conftest import ROOT
from wf_dagster.tracking import find_recorders

pytestmark = pytest.mark.integration

STRATEGIES = {"sp500_ridge": 27, "sp500_lgbm": 4}
PARTS = ("recorders", "predictions", "labels")


def test_the_demo_runs_and_running_it_again_duplicates_nothing(site):
    first = site.run("python", "-m", "assets.demo")
    assert first.returncode == 0, first.stdout
    recorders = {}
    for name, count in STRATEGIES.items():
        assert f"{name}: {count} rolls to materialize" in first.stdout
        found = find_recorders(name)
        assert len(found) == count
        recorders[name] = {r.id for r in found}
        for part in PARTS:
            events = site.materialized(name, part)
            assert len(events) == count
            assert set(events.values()) == {1}
        assert site.materialized(name, "collected") == {"None": 1}
    assert site.materialized("signals") == {"None": 1}
    for figure in ("IC", "ICIR", "Rank IC", "Rank ICIR", "top minus bottom", "prediction rows"):
        assert first.stdout.count(figure) >= len(STRATEGIES)
    assert "make ui" in first.stdout

    second = site.run("python", "-m", "assets.demo")
    assert second.returncode == 0, second.stdout
    for name, count in STRATEGIES.items():
        assert f"{name}: 0 rolls to materialize, {count} of {count}" in second.stdout
        assert {r.id for r in find_recorders(name, status=None)} == recorders[name]
        for part in PARTS:
            assert set(site.materialized(name, part).values()) == {1}
    assert _figures(first.stdout) == _figures(second.stdout)


def _figures(printed: str) -> list[str]:
    found = re.findall(r"│ (?:Rank )?IC(?:IR)? +│ +([+-][\d.]+) │", printed)
    assert len(found) == 4 * len(STRATEGIES)
    return found


def test_a_demo_killed_half_way_goes_on_where_it_was(site):
    killed = subprocess.Popen(
        [sys.executable, "-u", "-m", "assets.demo"],
        cwd=ROOT,
        env=site.env,
        text=True,
        stdout=subprocess.PIPE,
    )
    assert killed.stdout is not None
    for line in killed.stdout:
        if "[10/27]" in line:
            killed.kill()
            break
    killed.wait()
    killed.stdout.close()
    time.sleep(3)  # its workers notice that it is gone
    before = {r.id for r in find_recorders("sp500_ridge")}
    assert 10 <= len(before) < 27

    again = site.run("python", "-m", "assets.demo")
    assert again.returncode == 0, again.stdout
    assert re.search(rf"trained now / reused +│ +{27 - len(before)} / {len(before)} ", again.stdout)
    after = find_recorders("sp500_ridge")
    assert len(after) == len({r.list_tags()["roll"] for r in after}) == 27
    assert before <= {r.id for r in after}
    for part in PARTS:
        events = site.materialized("sp500_ridge", part)
        assert len(events) == 27
        assert set(events.values()) == {1}
