"""The demo: through Dagster, honest figures, nothing twice."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.integration.conftest import ROOT, Site
from wf_dagster.online import OnlineToolR
from wf_dagster.tracking import find_recorders

pytestmark = [pytest.mark.integration, pytest.mark.slow]

EVE = "2020-03-26"
SESSIONS = ("2020-03-27", "2020-03-30", "2020-03-31", "2020-04-01", "2020-04-02")
SWITCHED = "2020-04-01"
STRATEGIES = {"sp500_ridge": 27, "sp500_lgbm": 3}  # rolls that have begun by then
PARTS = ("recorders", "predictions", "labels")


def test_the_demo_runs_and_running_it_again_duplicates_nothing(site):
    first = site.run("python", "-m", "assets.demo", EVE, WF_AS_OF="")
    assert first.returncode == 0, first.stdout
    for name, count in STRATEGIES.items():
        assert f"{name}: {count} rolls to materialize" in first.stdout
    for figure in ("IC", "ICIR", "Rank IC", "Rank ICIR", "top minus bottom", "prediction rows"):
        assert first.stdout.count(figure) >= len(STRATEGIES)
    assert f"last prediction                │  {EVE}" in first.stdout
    lines = re.findall(r"^([\d-]{10}| {10})  (sp500_\w+) +\d{4}", first.stdout, re.MULTILINE)
    assert sorted(lines[::2]) == [(session, "sp500_lgbm") for session in SESSIONS]
    assert {name for _, name in lines[1::2]} == {"sp500_ridge"}
    (switch,) = (line for line in first.stdout.splitlines() if f"  {SWITCHED} *" in line)
    assert "sp500_ridge" in switch
    assert "make ui" in first.stdout

    # the next rolls are trained on the evening before, and serve from their first session on
    counts = {"sp500_ridge": 28, "sp500_lgbm": 4}
    recorders = {}
    for name, count in counts.items():
        finished = find_recorders(name)
        assert len(finished) == count
        assert all(r.status == "FINISHED" for r in finished)
        recorders[name] = {r.id for r in finished}
        events = site.materialized(name, "recorders")
        assert len(events) == count
        assert set(events.values()) == {1}
        assert site.materialized(name, "collected").total() == 1 + len(SESSIONS)
        state = OnlineToolR(name).state()
        assert state.sessions == SESSIONS
    ridge = OnlineToolR("sp500_ridge").online_models()
    assert [r.list_tags()["roll"] for r in ridge] == [SWITCHED]
    serving = {
        key: n for key, n in site.materialized("sp500_ridge", "predictions").items() if n > 1
    }
    assert serving == {"2020-03-01": 1 + 3, SWITCHED: 1 + 2}

    before = _events(site)
    second = site.run("python", "-m", "assets.demo", EVE, WF_AS_OF="")
    assert second.returncode == 0, second.stdout
    for name, count in counts.items():
        assert f"{name}: 0 rolls to materialize, {count} of {count}" in second.stdout
        assert {r.id for r in find_recorders(name, status=None)} == recorders[name]
    assert second.stdout.count("worked through already") == 2 * len(SESSIONS)
    assert _events(site) == before


def _events(site: Site) -> list[Counter[str]]:
    keys = [(name, part) for name in STRATEGIES for part in (*PARTS, "collected", "online_models")]
    return [site.materialized(*key) for key in (*keys, ("signals",))]


def test_a_demo_killed_half_way_goes_on_where_it_was(site):
    killed = subprocess.Popen(
        [sys.executable, "-u", "-m", "assets.demo", EVE],
        cwd=ROOT,
        env={**site.env, "WF_AS_OF": ""},
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

    again = site.run("python", "-m", "assets.demo", EVE, WF_AS_OF="")
    assert again.returncode == 0, again.stdout
    assert re.search(rf"trained now / reused +│ +{27 - len(before)} / {len(before)} ", again.stdout)
    after = find_recorders("sp500_ridge")
    assert len(after) == len({r.list_tags()["roll"] for r in after}) == 28
    assert before <= {r.id for r in after}
    assert set(site.materialized("sp500_ridge", "recorders").values()) == {1}
    for part in PARTS:
        assert len(site.materialized("sp500_ridge", part)) == 28
