"""The experiment manager: experiments of a tracking address by id or name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from wf_dagster.errors import ExperimentNotFoundError, TrackingError
from wf_dagster.settings import get_settings
from wf_dagster.tracking.experiment import MLflowExperiment
from wf_dagster.tracking.recorder import KIND_TAG, RECORDER, MLflowRecorder, Recorder
from wf_dagster.tracking.store import get_client, tracking_uri, translated


class ExpManager:
    """What Qlib's users know of an experiment manager."""


class MLflowExpManager(ExpManager):
    """The experiments of one tracking address.

    Args:
        uri: MLflow tracking address; default that of the settings.
    """

    def __init__(self, uri: str | None = None) -> None:
        self.uri = tracking_uri(uri)

    def get_exp(
        self,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
    ) -> MLflowExperiment:
        """An experiment by id or name; made when it is not there and ``create`` is true.

        Raises:
            ExperimentNotFoundError: It is not there and is not to be made.
            TrackingError: It was deleted, or the store fails.
        """
        client = get_client(self.uri)
        if experiment_id is not None:
            from mlflow.exceptions import MlflowException

            try:
                known = client.get_experiment(str(experiment_id))
            except MlflowException:
                raise ExperimentNotFoundError(
                    f"there is no experiment with the id {experiment_id!r}"
                ) from None
            return MLflowExperiment(known.experiment_id, known.name, self.uri)
        if not experiment_name:
            raise ExperimentNotFoundError("say which experiment: give its id or its name")
        with translated(self.uri, "looking for an experiment"):
            found = client.get_experiment_by_name(experiment_name)
        if found is None:
            if not create:
                raise ExperimentNotFoundError(f"there is no experiment called {experiment_name!r}")
            return self._create(experiment_name)
        if found.lifecycle_stage == "deleted":
            raise TrackingError(
                f"experiment {experiment_name!r} was deleted: restore it with `mlflow experiments "
                f"restore --experiment-id {found.experiment_id}`, or use another name"
            )
        return MLflowExperiment(found.experiment_id, found.name, self.uri)

    def _create(self, name: str) -> MLflowExperiment:
        from mlflow.exceptions import MlflowException

        location = get_settings().resolved_artifact_location()
        if location is not None:
            location = f"{location}/{re.sub(r'[^A-Za-z0-9._-]+', '_', name)}"
        client = get_client(self.uri)
        try:
            made = client.create_experiment(name, artifact_location=location)
        except MlflowException as error:
            # another process was quicker
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                with translated(self.uri, "making an experiment"):
                    raise
            return self.get_exp(experiment_name=name, create=False)
        return MLflowExperiment(made, name, self.uri)

    def list_experiments(self) -> dict[str, MLflowExperiment]:
        """All experiments by name."""
        with translated(self.uri, "listing experiments"):
            found = get_client(self.uri).search_experiments(max_results=1000)
        return {e.name: MLflowExperiment(e.experiment_id, e.name, self.uri) for e in found}


def find_recorders(
    experiment_name: str,
    *,
    tags: Mapping[str, str] | None = None,
    status: str | None = Recorder.STATUS_FI,
    uri: str | None = None,
) -> list[MLflowRecorder]:
    """Recorders of an experiment by tags and status, in one search.

    Args:
        experiment_name: An experiment that is not there has no recorders.
        tags: Tags they must have; trainings only, unless the tag ``wf_kind`` says otherwise.
        status: Status they must have; ``None`` for any.
        uri: MLflow tracking address; default that of the settings.

    Returns:
        Newest first; their params, metrics and tags are there without a further request.
    """
    try:
        experiment = MLflowExpManager(uri).get_exp(experiment_name=experiment_name, create=False)
    except ExperimentNotFoundError:
        return []
    wanted = {KIND_TAG: RECORDER, **(tags or {})}
    terms = [f"tags.`{name}` = '{value}'" for name, value in wanted.items()]
    if status is not None:
        terms.append(f"attributes.status = '{status}'")
    return experiment.search(" and ".join(terms))
