"""The experiment manager: experiments of a tracking address by id or name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd
from typing_extensions import Unpack

from wf_dagster.errors import ExperimentDeletedError, ExperimentNotFoundError, StoreError
from wf_dagster.imports.after_import import OpenBase
from wf_dagster.tracking import active_starts, run_search
from wf_dagster.tracking.active_starts import tracking_uri
from wf_dagster.tracking.addresses import hide_password
from wf_dagster.tracking.mlflow_experiment import MLflowExperiment, end_starts
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.run_kinds import KIND_TAG, RECORDER
from wf_dagster.tracking.run_search import quote_text
from wf_dagster.tracking.start_options import StartOptions, recorder_options
from wf_dagster.tracking.store import call_store, get_client
from wf_dagster.tracking.tracking_settings import (
    artifact_location,
    default_experiment,
    set_tracking_uri,
)

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# the MLflow page then opens the experiment as trainings of models, not as traces of agents
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


class ExpManager(OpenBase):
    """What finds, makes, starts and ends experiments."""


class MLflowExpManager(ExpManager):
    """The experiments of one tracking address.

    Args:
        uri: MLflow tracking address; default the one in use when it is asked.
        default_exp_name: The experiment that is meant when none is named; default the one that
            ``qlib.init`` was given, else ``"Experiment"``.
    """

    def __init__(self, uri: str | None = None, default_exp_name: str | None = None) -> None:
        self._uri = uri
        self._default_exp_name = default_exp_name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    @property
    def uri(self) -> str:
        """The tracking address in use."""
        return tracking_uri(self._uri)

    @property
    def default_uri(self) -> str:
        """The tracking address of a start without one; what is set here is set in the settings."""
        return self._uri or active_starts.default_uri()

    @default_uri.setter
    def default_uri(self, value: str | None) -> None:
        if self._uri is None:
            set_tracking_uri(value)
        else:
            self._uri = value

    @property
    def default_exp_name(self) -> str:
        """The experiment that is meant when none is named."""
        return self._default_exp_name or default_experiment()

    @property
    def client(self) -> MlflowClient:
        """MLflow's client of the tracking address in use."""
        return get_client(self.uri)

    @property
    def active_experiment(self) -> MLflowExperiment | None:
        """The experiment that is active in this thread or task."""
        start = active_starts.current_start()
        return None if start is None else start.experiment

    def start_exp(self, **options: Unpack[StartOptions]) -> MLflowExperiment:
        """Start a recorder and make it and its experiment active.

        Args:
            **options: See :class:`StartOptions`: ``experiment_id``, ``experiment_name``,
                ``recorder_id``, ``recorder_name``, ``uri``, ``resume``, ``parent_run_id``,
                ``tags``.

        Raises:
            ExperimentNotFoundError: There is no experiment with that id.
            RecorderNotFoundError: There is no recorder with that id.
        """
        own_options = recorder_options(options)
        experiment_id, name = options.get("experiment_id"), options.get("experiment_name")
        uri = options.get("uri") or self._uri
        address = uri or active_starts.default_uri()
        recorder_id = options.get("recorder_id")
        if recorder_id and not experiment_id and not name:  # it knows where it belongs
            experiment_id = run_search.recorder_by_id(recorder_id, address).experiment_id
        experiment = MLflowExpManager(address)._find_experiment(
            experiment_id, name or self.default_exp_name, create=True
        )
        experiment.start_at(uri, own_options)
        return experiment

    def end_exp(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder with this status; nothing happens if there is none."""
        depth = active_starts.innermost_depth()
        if depth is not None:
            end_starts(depth, recorder_status)

    def create_exp(self, experiment_name: str | None = None) -> MLflowExperiment:
        """Make an experiment; if another process just made it, take that one.

        Raises:
            ExperimentDeletedError: There was one of that name and it was deleted.
            ExperimentNotFoundError: No name is given.
        """
        if not experiment_name:
            raise ExperimentNotFoundError("say how the experiment is to be called")
        uri = self.uri
        try:
            experiment_id = call_store(
                uri,
                "making an experiment",
                lambda client: client.create_experiment(
                    experiment_name, artifact_location(uri, experiment_name), _EXPERIMENT_TAGS
                ),
            )
        except StoreError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._find_experiment(None, experiment_name, create=False)
        return MLflowExperiment(experiment_id, experiment_name, uri)

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> MLflowExperiment:
        """An experiment by id or name; the active one, else the default one, without either.

        Args:
            experiment_id: An id; one that is not there is an error, as it cannot be made.
            experiment_name: A name.
            create: Make it if there is none of that name.
            start: Start a recorder in it if none is active.

        Raises:
            ExperimentDeletedError: It was deleted.
            ExperimentNotFoundError: It is not there and is not to be made.
        """
        active = self.active_experiment
        if active is not None and not experiment_id and not experiment_name:
            return active
        experiment = self._find_experiment(
            experiment_id, experiment_name or self.default_exp_name, create
        )
        if start and active is None:
            experiment.start_at(self._uri, {})
        return experiment

    def _find_experiment(
        self, experiment_id: str | None, name: str, create: bool
    ) -> MLflowExperiment:
        uri = self.uri
        entity = self._entity_by_id(experiment_id) if experiment_id else self._entity_by_name(name)
        if entity is None:
            if create:
                return self.create_exp(name)
            raise ExperimentNotFoundError(
                f"there is no experiment called {name!r}: R.list_experiments() lists them"
            )
        if entity.lifecycle_stage == "deleted":
            raise ExperimentDeletedError(
                f"experiment {entity.name!r} was deleted: restore it with "
                f"`MLFLOW_TRACKING_URI={hide_password(uri)} mlflow experiments restore "
                f"--experiment-id {entity.experiment_id}`, or use another name"
            )
        return MLflowExperiment(entity.experiment_id, entity.name, uri)

    def _entity_by_name(self, name: str) -> Any:
        return call_store(self.uri, "looking for it", lambda c: c.get_experiment_by_name(name))

    def _entity_by_id(self, experiment_id: str) -> Any:
        try:
            return call_store(
                self.uri, "looking for it", lambda c: c.get_experiment(str(experiment_id))
            )
        except StoreError as error:
            if error.passes:
                raise
            raise ExperimentNotFoundError(
                f"there is no experiment with the id {experiment_id!r}: R.list_experiments() lists "
                "them"
            ) from None

    def delete_exp(
        self, experiment_id: str | None = None, experiment_name: str | None = None
    ) -> None:
        """Delete an experiment by id or name; MLflow can restore it.

        Raises:
            ExperimentNotFoundError: There is none, or neither is given.
        """
        if not experiment_id and not experiment_name:
            raise ExperimentNotFoundError("say which experiment to delete: give its id or its name")
        experiment = self._find_experiment(experiment_id, experiment_name or "", create=False)
        call_store(self.uri, "deleting it", lambda client: client.delete_experiment(experiment.id))

    def list_experiments(self) -> dict[str, MLflowExperiment]:
        """All experiments by name, except deleted ones."""
        uri = self.uri
        experiments: dict[str, MLflowExperiment] = {}
        token: str | None = None
        while True:
            page = call_store(
                uri,
                "listing experiments",
                lambda client, token=token: client.search_experiments(  # type: ignore[misc]
                    max_results=1000, page_token=token
                ),
            )
            experiments |= {e.name: MLflowExperiment(e.experiment_id, e.name, uri) for e in page}
            token = page.token
            if not token:
                return experiments

    def search_records(
        self,
        experiment_ids: Sequence[str] | None = None,
        filter_string: str | None = None,
        run_view_type: int | None = None,
        max_results: int | None = None,
        order_by: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The recorders that a search finds; see ``R.search_records``."""
        if experiment_ids is None:
            experiment_ids = [e.id for e in self.list_experiments().values()]
        ids = [str(experiment_id) for experiment_id in experiment_ids]
        return run_search.search_frame(
            self.uri, ids, filter_string, run_view_type, max_results, order_by
        )


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
    terms = [f"tags.`{name}` = {quote_text(value)}" for name, value in wanted.items()]
    if status is not None:
        terms.append(f"attributes.status = '{status}'")
    return experiment.search(" and ".join(terms))
