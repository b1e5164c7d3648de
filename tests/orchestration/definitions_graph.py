"""The graph of the definitions of this repository's code location, as plain values.

``python -m tests.orchestration.definitions_graph`` writes the snapshot anew: run it after a change
that is meant, and read the difference in review. Whoever has data from before a change finds it
again by these names.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg

SNAPSHOT = Path(__file__).with_name("definitions_snapshot.json")


def definitions_graph(definitions: dg.Definitions) -> dict[str, Any]:
    """Keys, names, dependencies, partitions, checks and configuration of definitions."""
    repository = definitions.get_repository_def()
    graph = repository.asset_graph
    return {
        "assets": {
            key.to_user_string(): _asset(graph.get(key))
            for key in sorted(graph.get_all_asset_keys(), key=str)
        },
        "checks": {
            f"{spec.asset_key.to_user_string()}: {spec.name}": {
                "blocking": spec.blocking,
                "op": checks.node_def.name,
            }
            for checks in repository.asset_checks_defs_by_key.values()
            for spec in checks.check_specs
        },
        "jobs": {
            job.name: _job(job)
            for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)
        },
        "schedules": {
            schedule.name: {
                "cron": schedule.cron_schedule,
                "job": schedule.job_name,
                "status": schedule.default_status.value,
                "time zone": schedule.execution_timezone,
            }
            for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name)
        },
        "sensors": {
            sensor.name: {
                "jobs": [target.job_name for target in sensor.targets],
                "seconds": sensor.minimum_interval_seconds,
                "status": sensor.default_status.value,
            }
            for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name)
        },
        "resources": sorted(repository.get_top_level_resources()),
    }


def _asset(node: Any) -> dict[str, Any]:
    definition = node.assets_def
    partitions = node.partitions_def
    keys = [] if partitions is None else partitions.get_partition_keys()
    condition = node.automation_condition
    return {
        "automation": None if condition is None else condition.get_label(),
        "deps": sorted(key.to_user_string() for key in node.parent_keys),
        "group": node.group_name,
        "kinds": sorted(node.kinds),
        "metadata": sorted(node.metadata),
        "op": definition.node_def.name,
        "owners": list(node.owners),
        "partitions": {"count": len(keys), "first": keys[0], "last": keys[-1]} if keys else None,
        "skippable": node.assets_def.get_asset_spec(node.key).skippable,
    }


def _job(job: dg.JobDefinition) -> dict[str, Any]:
    ops = [node.definition for node in job.graph.nodes]
    return {
        "assets": sorted(key.to_user_string() for key in job.asset_layer.executable_asset_keys),
        "config": {
            op.name: sorted(op.config_schema.config_type.fields)
            for op in sorted(ops, key=lambda op: op.name)
            if hasattr(op.config_schema.config_type, "fields")
        },
        "ops": sorted(op.name for op in ops),
        "tags": {name: value for name, value in job.tags.items() if not name.startswith(".")},
    }


def write_snapshot(definitions: dg.Definitions) -> None:
    """Keep the graph as what is expected."""
    SNAPSHOT.write_text(text_of(definitions_graph(definitions)))


def text_of(graph: dict[str, Any]) -> str:
    """The graph, a line a value."""
    return json.dumps(graph, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    from assets.definitions import defs

    write_snapshot(defs)
