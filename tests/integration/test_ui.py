"""``wf-dagster ui``: both pages on the same state, a backfill launched as the page does it."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.conftest import ROOT, Site
from tests.support import is_running
from wf_dagster.tracking import R, find_recorders, parent_of

pytestmark = pytest.mark.integration

LAUNCH = """
mutation Launch($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
BACKFILL = """
query Backfill($id: String!) {
  partitionBackfillOrError(backfillId: $id) {
    ... on PartitionBackfill { status runs(limit: 10) { id status } }
  }
}
"""
KEYS = """
query Keys($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) { ... on AssetNode { partitionKeys } }
}
"""
RUNS = "{ runsOrError(limit: 10) { ... on Runs { results { id status } } } }"
TERMINATE = "mutation Terminate($id: String!) { terminateRun(runId: $id) { __typename } }"
AGAIN = """
mutation Again($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
    __typename
    ... on PythonError { message }
  }
}
"""
ASSET = """
query Asset($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      groupName kinds description
      owners { ... on TeamAssetOwner { team } }
      partitionStats { numMaterialized numPartitions }
      assetMaterializations(partitions: ["2020-02-01"], limit: 5) {
        metadataEntries {
          label
          ... on UrlMetadataEntry { url }
          ... on MarkdownMetadataEntry { mdStr }
        }
      }
    }
  }
}
"""


class Pages:
    """A running ``wf-dagster ui``."""

    def __init__(self, site: Site) -> None:
        self.dagster, self.mlflow = free_port(), free_port()
        command = [str(Path(sys.executable).parent / "wf-dagster"), "ui"]
        command += ["--dagster-port", str(self.dagster), "--mlflow-port", str(self.mlflow)]
        self.log = site.home / "ui.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=site.env, stdout=out, stderr=subprocess.STDOUT
            )

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        url = f"http://localhost:{self.dagster}/graphql"
        answer = requests.post(url, json={"query": query, "variables": variables}, timeout=60)
        data = answer.json()
        assert "errors" not in data, data
        return data["data"]

    def up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            for url in (
                f"http://localhost:{self.dagster}/server_info",
                f"http://localhost:{self.mlflow}/health",
            ):
                if requests.get(url, timeout=5).status_code != 200:
                    return False
        except requests.RequestException:
            return False
        return True

    def stop(self, how: signal.Signals) -> None:
        """Ask to stop; nothing may be left behind."""
        if self.process.poll() is not None:
            return
        ours = descendants_of(self.process.pid)
        assert len(ours) >= 4
        self.process.send_signal(how)
        assert self.process.wait(40) == 0
        wait_until(lambda: not any(is_running(pid) for pid in ours), 30, self.log)


@pytest.fixture
def pages(site: Site) -> Iterator[Pages]:
    ui = Pages(site)
    try:
        wait_until(ui.up, 90, ui.log)
        yield ui
        ui.stop(signal.SIGTERM)
    finally:
        ui.process.kill()


@pytest.mark.slow
def test_a_backfill_launched_from_the_page_is_one_run_and_both_pages_show_it(site, pages):
    keys = ["2020-01-01", "2020-02-01", "2020-03-01"]
    selection = [{"path": ["sp500_ridge", part]} for part in ("recorders", "predictions", "labels")]
    launched = pages.ask(
        LAUNCH, params={"partitionNames": keys, "assetSelection": selection, "fromFailure": False}
    )["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched

    def ended() -> bool:
        backfill = pages.ask(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]
        assert "FAILED" not in backfill["status"], backfill
        return backfill["status"] == "COMPLETED_SUCCESS"

    wait_until(ended, 180, pages.log)
    backfill = pages.ask(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]
    (run,) = backfill["runs"]
    assert run["status"] == "SUCCESS"
    for part in ("recorders", "predictions", "labels"):
        assert site.materialized("sp500_ridge", part) == dict.fromkeys(keys, 1)

    asset = pages.ask(ASSET, key={"path": ["sp500_ridge", "predictions"]})["assetNodeOrError"]
    assert asset["groupName"] == "sp500_ridge"
    assert asset["owners"] == [{"team": "quant"}]
    assert "parquet" in asset["kinds"]
    assert asset["partitionStats"] == {"numMaterialized": 3, "numPartitions": 27}
    ((event,),) = [asset["assetMaterializations"]]
    metadata = {entry["label"]: entry for entry in event["metadataEntries"]}
    assert metadata["ic_plot"]["mdStr"].startswith("![")
    recorders = {r.list_tags()["roll"]: r for r in find_recorders("sp500_ridge")}
    link = metadata["mlflow_run"]["url"]
    assert link.startswith(f"http://localhost:{pages.mlflow}/#/experiments/")
    assert recorders["2020-02-01"].id in link

    run_page = f"http://localhost:{pages.mlflow}/api/2.0/mlflow/runs/get"
    shown_run = requests.get(
        run_page, params={"run_id": recorders["2020-02-01"].id}, timeout=30
    ).json()["run"]
    assert shown_run["info"]["status"] == "FINISHED"
    tags = {tag["key"]: tag["value"] for tag in shown_run["data"]["tags"]}
    assert tags["mlflow.parentRunId"] == parent_of(run["id"], "sp500_ridge")


@pytest.mark.slow
def test_a_cancelled_run_keeps_what_it_finished_and_goes_on_from_there(site, pages):
    selection = [{"path": ["sp500_ridge", "recorders"]}]
    keys = pages.ask(KEYS, key=selection[0])["assetNodeOrError"]["partitionKeys"]
    pages.ask(
        LAUNCH, params={"partitionNames": keys, "assetSelection": selection, "fromFailure": False}
    )
    wait_until(lambda: len(find_recorders("sp500_ridge")) >= 3, 120, pages.log)
    (run,) = pages.ask(RUNS)["runsOrError"]["results"]
    pages.ask(TERMINATE, id=run["id"])

    def ended() -> bool:
        return pages.ask(RUNS)["runsOrError"]["results"][0]["status"] == "CANCELED"

    wait_until(ended, 60, pages.log)
    done = {r.list_tags()["roll"]: r.id for r in find_recorders("sp500_ridge")}
    assert 3 <= len(done) < len(keys)
    marked = site.materialized("sp500_ridge", "recorders")
    assert set(marked.values()) == {1}
    assert set(marked) <= set(done)
    assert len(done) - len(marked) <= 2  # a worker may finish a roll as the run is interrupted
    unfinished = [
        r for r in find_recorders("sp500_ridge", status=None) if r.id not in done.values()
    ]
    assert {r.status for r in unfinished} <= {"FAILED"}
    parent = R.get_recorder(recorder_id=parent_of(run["id"], "sp500_ridge"))
    assert parent.status == "KILLED"

    pages.ask(AGAIN, params={"parentRunId": run["id"], "strategy": "ALL_STEPS"})

    def again() -> bool:
        runs = pages.ask(RUNS)["runsOrError"]["results"]
        return len(runs) == 2 and runs[0]["status"] == "SUCCESS"

    wait_until(again, 120, pages.log)
    recorders = find_recorders("sp500_ridge")
    assert sorted(r.list_tags()["roll"] for r in recorders) == sorted(keys)
    assert set(done.values()) <= {r.id for r in recorders}
    pages.stop(signal.SIGINT)


def test_a_port_that_is_taken_is_one_message(site):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = site.run("wf-dagster", "ui", "--mlflow-port", port, "--dagster-port", "0")
    assert done.returncode == 2
    assert f"port {port} cannot be used" in done.stdout
    assert "--mlflow-port" in done.stdout
    assert "Traceback" not in done.stdout


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def wait_until(true: Callable[[], bool], seconds: float, log: Path) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, log.read_text()[-5000:]
        time.sleep(0.5)


def descendants_of(pid: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid="], capture_output=True, text=True
    ).stdout.split()
    children = [int(child) for child in listed]
    return children + [grand for child in children for grand in descendants_of(child)]
