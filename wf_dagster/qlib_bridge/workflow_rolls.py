"""The task of a workflow file as a rolling strategy: what is of each roll, and what of all."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.process import attribute_replaced
from wf_dagster.qlib_bridge.workflow_task import Workflow
from wf_dagster.tasks.record_split import needs_training
from wf_dagster.tasks.schema import list_records
from wf_dagster.tasks.signature_book import home_book


@dataclass(frozen=True)
class WorkflowRolls:
    """A workflow's task, for rolling.

    Attributes:
        template: The task with the records of each roll alone.
        analyses: Its other records: once, on the joined predictions, as Qlib's ``Rolling`` has it.
        notes: One line for each thing that is not as in the file.
    """

    template: dict[str, Any]
    analyses: list[Any] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def roll_workflow(workflow: Workflow) -> WorkflowRolls:
    """Split the records of a workflow's task; nothing of Qlib's is imported here.

    A record that cannot be found stays with the rolls, where its training says so.

    Args:
        workflow: The workflow file.
    """
    look_up = home_book().look_up
    of_roll: list[Any] = []
    analyses: list[Any] = []
    notes: list[str] = []
    with attribute_replaced(sys, "path", [*sys.path, *workflow.paths]):
        for where, record in list_records(workflow.task):
            try:
                is_of_roll = needs_training(record, where, look_up)
            except TaskError as error:
                is_of_roll = True
                notes.append(f"{error}: it is computed for each roll")
            (of_roll if is_of_roll else analyses).append(record)
    if analyses:
        names = ", ".join(map(_name_of, analyses))
        notes.append(f"{names}: computed once, on the joined predictions of all rolls")
    return WorkflowRolls({**workflow.task, "record": of_roll}, analyses, notes)


def _name_of(record: Any) -> str:
    name = record.get("class", record.get("func")) if isinstance(record, Mapping) else record
    return str(getattr(name, "__name__", name)).rpartition(".")[2]
