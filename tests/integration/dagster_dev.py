"""A real ``dagster dev`` (page, daemon, code location), driven over GraphQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.support import wait_for_ends

ROOT = Path(__file__).parents[2]
MODULE = "tests.integration.online_location"

SWITCH = """
mutation Switch($schedule: ScheduleSelector!, $sensor: SensorSelector!) {{
  {what} {{ __typename ... on PythonError {{ message }} }}
}}
"""
TICKS = """
query Ticks($selector: {kind}Selector!) {{
  {name}OrError({name}Selector: $selector) {{
    ... on {kind} {{ {name}State {{ ticks(limit: 50) {{ status skipReason timestamp }} }} }}
  }}
}}
"""
RUNS = """
query Runs($filter: RunsFilter!) {
  runsOrError(filter: $filter) {
    ... on Runs { results { runId status jobName tags { key value } } }
  }
}
"""
ENTRIES = """
query Entries($key: AssetKeyInput!) {
  assetNodeOrError(assetKey: $key) {
    ... on AssetNode {
      assetMaterializations(limit: 100) {
        partition
        metadataEntries {
          label
          ... on IntMetadataEntry { intValue }
          ... on TextMetadataEntry { text }
          ... on MarkdownMetadataEntry { mdStr }
        }
      }
    }
  }
}
"""


class DagsterDev:
    """A running ``dagster dev``."""

    def __init__(self, log: Path, env: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        self.url = f"http://localhost:{port}"
        self.log = log
        command = [sys.executable, "-m", "dagster", "dev", "-m", MODULE, "-p", str(port)]
        with log.open("a") as out:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> DagsterDev:
        try:
            self.until(self._up, 120)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Ask to stop; what is left then is killed, and that is an error."""
        ours = self.processes()
        self.process.send_signal(signal.SIGINT)
        left = wait_for_ends(ours, 40)
        for process in left:
            process.kill()
        self.process.wait(10)
        assert not left, f"left behind: {left}"

    def processes(self) -> list[psutil.Process]:
        """It and all its descendants."""
        try:
            it = psutil.Process(self.process.pid)
            return [it, *it.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def ask(self, query: str, **variables: Any) -> Any:
        answer = requests.post(
            f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def switch(self, kind: str, name: str) -> None:
        """Switch a schedule or a sensor on, as the page does it."""
        what = f"start{kind.capitalize()}({kind}Selector: ${kind})"
        query = SWITCH.format(what=what)
        other = {"schedule": "$sensor: SensorSelector!", "sensor": "$schedule: ScheduleSelector!"}
        query = query.replace(other[kind], "").replace("(, ", "(").replace(", )", ")")
        (answer,) = self.ask(query, **{kind: self._selector(kind, name)}).values()
        assert answer["__typename"] in {"ScheduleStateResult", "Sensor"}, answer

    def ticks(self, kind: str, name: str, since: float = 0.0) -> list[dict[str, Any]]:
        """Its finished ticks, newest first."""
        query = TICKS.format(kind=kind.capitalize(), name=kind)
        answer = self.ask(query, selector=self._selector(kind, name))[f"{kind}OrError"]
        ticks = answer[f"{kind}State"]["ticks"]
        return [t for t in ticks if t["timestamp"] > since and t["status"] != "STARTED"]

    def runs(self) -> list[dict[str, Any]]:
        """The online runs, oldest first."""
        filters = {"tags": [{"key": "wf_online", "value": "ridge"}]}
        runs = self.ask(RUNS, filter=filters)["runsOrError"]["results"]
        for run in runs:
            run["tags"] = {tag["key"]: tag["value"] for tag in run["tags"]}
        return runs[::-1]

    def shown(self, *key: str) -> list[dict[str, Any]]:
        """The metadata of an asset's materializations, oldest first."""
        node = self.ask(ENTRIES, key={"path": list(key)})["assetNodeOrError"]
        return [
            {"partition": materialization["partition"]}
            | {
                entry["label"]: next((v for k, v in entry.items() if k != "label"), None)
                for entry in materialization["metadataEntries"]
            }
            for materialization in node["assetMaterializations"][::-1]
        ]

    def ended(self, count: int, *statuses: str) -> Callable[[], bool]:
        """Whether there are so many runs, the last one with one of the statuses."""

        def answer() -> bool:
            runs = self.runs()
            assert len(runs) <= count, runs
            return len(runs) == count and runs[-1]["status"] in statuses

        return answer

    def until(self, true: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not true():
            assert self.process.poll() is None, self.log.read_text()[-5000:]
            assert time.monotonic() < end, self.log.read_text()[-5000:]
            time.sleep(0.3)

    def _up(self) -> bool:
        try:
            return requests.get(f"{self.url}/server_info", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def _selector(self, kind: str, name: str) -> dict[str, str]:
        return {
            "repositoryName": "__repository__",
            "repositoryLocationName": MODULE,
            f"{kind}Name": name,
        }


def family(pid: int) -> list[psutil.Process]:
    """A process and its descendants."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def environment(home: Path, clock: Path) -> dict[str, str]:
    """Variables of a user who replays."""
    return {
        **os.environ,
        "WF_HOME": str(home),
        "WF_REPLAY_CLOCK": str(clock),
        "DAGSTER_HOME": str(home / "dagster"),
        "PYTHONWARNINGS": "ignore",
    }
