"""Which of the labels of a recorder its predictions are of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wf_dagster.errors import ObjectNotFoundError
from wf_dagster.tasks import find_label, predicted_label

if TYPE_CHECKING:
    from wf_dagster.tracking import Recorder

LABEL_TAG = "label_column"


def find_recorded_label(recorder: Recorder, columns: Sequence[Any]) -> int:
    """The position of the label that the recorder's model predicts.

    What its ``task`` says counts, else its tag ``label_column``, else it is the first.

    Args:
        recorder: Holds predictions.
        columns: Names of its labels.

    Raises:
        TaskError: The labels have no such column.
    """
    if len(columns) == 1:
        return 0
    try:
        return find_label(columns, predicted_label(recorder.load_object("task")))
    except ObjectNotFoundError:  # not trained from a task
        names = [str(column) for column in columns]
        return find_label(names, recorder.list_tags().get(LABEL_TAG))
