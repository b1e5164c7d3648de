"""A project of somebody else's that installs the wheel: from an empty environment to a report."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.integration.test_ui import BACKFILL, LAUNCH, free_port

ROOT = Path(__file__).parents[2]
SENSORS = """
{ repositoriesOrError { ... on RepositoryConnection { nodes {
    name location { name } sensors { name } schedules { name } } } } }
"""
DRY_RUN = """
mutation Dry($selector: SensorSelector!) {
  sensorDryRun(selectorData: $selector, cursor: null) {
    __typename
    ... on DryRunInstigationTick {
      evaluationResult { error { message } skipReason runRequests { runKey } }
    }
    ... on PythonError { message }
  }
}
"""
ROLLS = ["recorders", "predictions", "labels"]

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1800)]


class Host:
    """A copy of the project with an environment of its own."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "host_repo"
        self.bin = self.root / ".venv" / "bin"
        self.home = folder / "home"
        shutil.copytree(
            ROOT / "examples" / "host_repo",
            self.root,
            ignore=shutil.ignore_patterns("__pycache__", ".*", "data"),
        )
        (self.root / ".env").write_text(f"WF_HOME={self.home}\n")
        kept = {"PATH", "HOME", "LANG", "TMPDIR", "UV_CACHE_DIR"}
        self.env = {
            **{name: value for name, value in os.environ.items() if name in kept},
            "DAGSTER_HOME": str(self.home / "dagster"),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DG_CLI_DISABLE_TELEMETRY": "1",
            "OMP_NUM_THREADS": "1",
        }

    def install(self, wheel: Path) -> None:
        """As the README says, with the versions that this repository is tested with."""
        parts = [f"{wheel}[ui]", "dagster-dg-cli", "-c", ROOT / "constraints.txt"]
        if shutil.which("uv"):
            subprocess.run(
                ["uv", "venv", "-q", "-p", sys.executable, ".venv"], check=True, cwd=self.root
            )
            pip = ["uv", "pip", "install", "-q", "--python", str(self.bin / "python")]
        else:
            subprocess.run([sys.executable, "-m", "venv", ".venv"], check=True, cwd=self.root)
            pip = [str(self.bin / "python"), "-m", "pip", "install", "-q"]
        subprocess.run([*pip, *map(str, parts)], check=True, cwd=self.root)
        subprocess.run([*pip, "--no-deps", "-e", "."], check=True, cwd=self.root)

    def run(self, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [str(self.bin / command), *arguments],
            cwd=self.root,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-5000:]
        return done.stdout

    def launch(self, *assets: str) -> None:
        self.run("dg", "launch", "--assets", ",".join(f'key:"{asset}"' for asset in assets))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Host:
    folder = tmp_path_factory.mktemp("host")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, ROOT],
        check=True,
        capture_output=True,
    )
    host = Host(folder)
    (host.home / "dagster").mkdir(parents=True)
    host.install(next(folder.glob("*.whl")))
    return host


@pytest.fixture
def page(host: Host) -> Iterator[Callable[..., Any]]:
    """``wf-dagster ui`` in the project; a function that asks its GraphQL."""
    dagster, mlflow = free_port(), free_port()
    command = [str(host.bin / "wf-dagster"), "ui"]
    command += ["--dagster-port", str(dagster), "--mlflow-port", str(mlflow)]
    log = host.home / "ui.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=host.root / "src", env=host.env, stdout=out, stderr=subprocess.STDOUT
        )

    def ask(query: str, **variables: Any) -> Any:
        answer = requests.post(
            f"http://localhost:{dagster}/graphql",
            json={"query": query, "variables": variables},
            timeout=120,
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def is_up() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            requests.get(f"http://localhost:{mlflow}/health", timeout=2).raise_for_status()
            return bool(ask(SENSORS)["repositoriesOrError"]["nodes"])
        except requests.RequestException:
            return False

    try:
        wait(is_up, 300)
        yield ask
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait(is_so: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(1)


def backfill(ask: Callable[..., Any], name: str, keys: list[str]) -> str:
    """Launch a range and wait for its end."""
    assets = [{"path": [name, part]} for part in ROLLS]
    params = {"assetSelection": assets, "partitionNames": keys}
    launched = ask(LAUNCH, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    status = ""

    def is_over() -> bool:
        nonlocal status
        status = ask(BACKFILL, id=launched["backfillId"])["partitionBackfillOrError"]["status"]
        return status.startswith(("COMPLETED", "FAILED", "CANCELED"))

    wait(is_over, 600)
    return status


def test_a_host_goes_from_an_empty_environment_to_a_report(host, page):
    # the component is known, and all loads though there are no prices yet
    assert "wf_dagster.RollingStrategyComponent" in host.run("dg", "list", "components", "--json")
    assert not (host.root / "data").exists()
    assert "successfully" in host.run("dg", "check", "defs")
    host.run("dg", "scaffold", "defs", "wf_dagster.RollingStrategyComponent", "sample_ridge")
    assert "successfully" in host.run("dg", "check", "defs")
    shutil.rmtree(host.root / "src" / "desk" / "defs" / "sample_ridge")

    # the page of `wf-dagster ui` is on the project, by the name that `dg` gives it
    (node,) = page(SENSORS)["repositoriesOrError"]["nodes"]
    assert node["location"]["name"] == "host_repo"
    assert {"momentum_online_schedule", "reversal_online_schedule"} <= {
        schedule["name"] for schedule in node["schedules"]
    }

    host.launch("prices")
    months = ["2022-07-01", "2022-08-01", "2022-09-01"]
    assert backfill(page, "momentum", months) == "COMPLETED_SUCCESS"
    assert backfill(page, "reversal", ["2022-07-01"]) == "COMPLETED_SUCCESS"

    names = {sensor["name"] for sensor in node["sensors"]}
    assert {"momentum_new_data_sensor", "reversal_roll_due_sensor"} <= names
    for name in sorted(names - {"default_automation_condition_sensor"}):
        selector = {
            "repositoryName": node["name"],
            "repositoryLocationName": "host_repo",
            "sensorName": name,
        }
        answer = page(DRY_RUN, selector=selector)["sensorDryRun"]
        assert answer["__typename"] == "DryRunInstigationTick", (name, answer)
        assert answer["evaluationResult"]["error"] is None, (name, answer)

    for parts in (["collected"], ["signals"]):
        host.launch(*(f"{name}/{part}" for name in ("momentum", "reversal") for part in parts))
    host.launch("report")
    with (host.root / "data" / "report.csv").open() as file:
        rows = list(csv.DictReader(file))
    codes = {f"{number:06d}" for number in range(1, 61)} - {"000007"}  # it was delisted before
    assert len(rows) == 10
    assert {row["instrument"] for row in rows} <= codes
    scores = [float(row["score"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
