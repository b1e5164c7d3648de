"""The MLflow experiment that a strategy keeps its recorders in."""

from __future__ import annotations

from wf_dagster.errors import CollectError, ExperimentDeletedError, ExperimentNotFoundError
from wf_dagster.tracking import R, find_recorders
from wf_dagster.tracking.addresses import hide_password

_LISTED = 8


def find_experiment(name: str) -> str:
    """The experiment of a strategy, which is called like it unless its definition says otherwise.

    Args:
        name: The experiment, or the strategy whose recorders it holds.

    Raises:
        CollectError: There is neither; it names the experiments that there are.
        ExperimentDeletedError: It was deleted.
    """
    try:
        R.get_exp(experiment_name=name, create=False)
    except ExperimentDeletedError:
        raise
    except ExperimentNotFoundError:
        pass
    else:
        return name
    there = sorted(R.list_experiments())
    for experiment in there:
        if find_recorders(experiment, tags={"strategy": name}):
            return experiment
    listed = ", ".join(there[:_LISTED]) + (", ..." if there[_LISTED:] else "")
    raise CollectError(
        f"there is no strategy and no experiment {name!r} in the MLflow store "
        f"{hide_password(R.get_uri())}, which has {listed or 'none'}: materialize its "
        "`recorders` first, or correct the name"
    )
