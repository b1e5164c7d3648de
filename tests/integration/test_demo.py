"""The demo: through Dagster, honest figures, nothing twice."""

from __future__ import annotations

import re

import pytest

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
