"""The folder of a Dagster instance."""

from __future__ import annotations

import os
from pathlib import Path


def prepare_dagster_home(home: Path) -> Path:
    """The Dagster instance folder: ``DAGSTER_HOME``, or ``home/dagster``, ready for use."""
    folder = Path(os.environ.get("DAGSTER_HOME") or home / "dagster").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    return folder
