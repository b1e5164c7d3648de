"""How far the rolls of a run are, as whoever runs it in this process is told."""

from __future__ import annotations

import io
import logging

import dagster as dg
import pytest
from rich.console import Console

import wf_dagster
from assets.progress import progress_logger, show_progress
from tests.support import task_of
from wf_dagster.orchestration import TrackingResource, build_rolling_assets
from wf_dagster.orchestration.roll_progress import RollProgress
from wf_dagster.rolling import RollingGen

KEYS = ["2019-01-01", "2019-02-01"]


class Records(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def run(home, ready_store) -> tuple[list[logging.LogRecord], str]:
    """The log records of a backfill of two rolls, and what a terminal shows of it."""
    wf_dagster.init(home=home, max_workers=1)
    template = task_of(KEYS[0])
    template["dataset"]["kwargs"]["segments"]["test"] = (KEYS[0], "2019-02-28")
    defs = dg.Definitions(
        assets=build_rolling_assets("demo", template, RollingGen("month")),
        resources={"tracking": TrackingResource()},
        loggers={"console": progress_logger},
        executor=dg.in_process_executor,
    )
    records, screen = Records(), io.StringIO()
    logging.getLogger("assets.progress").addHandler(records)
    with show_progress(Console(file=screen, width=200), len(KEYS)):
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            run_config={"loggers": {"console": {}}},
            asset_selection=[dg.AssetKey(["demo", "recorders"])],
            tags={
                "dagster/asset_partition_range_start": KEYS[0],
                "dagster/asset_partition_range_end": KEYS[-1],
            },
        )
    logging.getLogger("assets.progress").removeHandler(records)
    assert result.success
    return records.records, screen.getvalue()


def test_progress_is_a_value_that_goes_along_with_its_log_line(run):
    records, screen = run
    progress = [p for p in map(RollProgress.of_record, records) if p is not None]
    assert progress == [
        RollProgress("demo", KEYS[0], 1, 2),
        RollProgress("demo", KEYS[1], 2, 2),
    ]
    lines = screen.splitlines()  # where there is no terminal
    assert lines[0] == "  demo: 2 rolls (to train 2)"
    assert lines[1].startswith(f"  demo {KEYS[0]} [1/2] trained in ")
    assert lines[2].startswith(f"  demo {KEYS[1]} [2/2] trained in ")
    assert lines[2].endswith(", 0 s to go")


def test_a_record_without_progress_has_none():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "demo 2019 [1/2] trained", (), None)
    assert RollProgress.of_record(record) is None
