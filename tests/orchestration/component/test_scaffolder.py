"""What ``dg scaffold defs`` writes runs as it is."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest
import yaml
from dagster.components.component_scaffolding import scaffold_object

from tests.made_prices import write_prices
from tests.orchestration.component.conftest import TYPE
from wf_dagster.errors import SettingsError, TaskError
from wf_dagster.orchestration.code_location import list_strategies

def scaffold(project, name="momentum", kind="yaml", append=False, **params) -> Path:
    target = project.defs / name
    import json
    scaffold_object(
        target / "defs.yaml" if append else target,
        TYPE,
        json.dumps(params),
        kind,
        project.root,
        append,
    )
    return target / ("component.py" if kind == "python" else "defs.yaml")


def strategies(project):
    return list_strategies(project.load())
