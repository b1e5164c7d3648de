"""The experiment manager: experiments of a tracking address by id or name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from wf_dagster.errors import ExperimentDeletedError, ExperimentNotFoundError
from wf_dagster.settings import get_settings
from wf_dagster.tracking import active, search
from wf_dagster.tracking.addresses import beside, safe, tracking_uri
from wf_dagster.tracking.experiment import Experiment
from wf_dagster.tracking.mlflow_experiment import MLflowExperiment, leave, literal
from wf_dagster.tracking.mlflow_recorder import MLflowRecorder
from wf_dagster.tracking.recorder import KIND_TAG, RECORDER, Recorder
from wf_dagster.tracking.retry import StoreError, ask
from wf_dagster.tracking.store import get_client

DEFAULT_EXPERIMENT = "Experiment"

# the MLflow page then opens the experiment as trainings of models, not as traces of agents
_EXPERIMENT_TAGS = {"mlflow.experimentKind": "custom_model_development"}


class ExpManager:
    """What finds, makes, starts and ends experiments."""

    @property
    def uri(self) -> str:
        """The tracking address in use."""
        raise NotImplementedError  # abstract

    @property
    def active_experiment(self) -> Experiment | None:
        """The experiment that is active in this thread or task."""
        raise NotImplementedError  # abstract

    def start_exp(self, *args: Any, **kwargs: Any) -> Experiment:
        """Start a recorder of an experiment and make both active."""
        raise NotImplementedError  # abstract

    def end_exp(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder."""
        raise NotImplementedError  # abstract

    def create_exp(self, experiment_name: str | None = None) -> Experiment:
        """Make an experiment."""
        raise NotImplementedError  # abstract

    def get_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        create: bool = True,
        start: bool = False,
    ) -> Experiment:
        """An experiment by id or name, or the active one."""
        raise NotImplementedError  # abstract

    def delete_exp(
        self, experiment_id: str | None = None, experiment_name: str | None = None
    ) -> None:
        """Delete an experiment."""
        raise NotImplementedError  # abstract

    def list_experiments(self) -> Any:
        """All experiments by name."""
        raise NotImplementedError  # abstract

    def search_records(self, *args: Any, **kwargs: Any) -> Any:
        """A frame of the recorders that a search finds."""
        raise NotImplementedError  # abstract


class MLflowExpManager(ExpManager):
    """The experiments of one tracking address.

    Args:
        uri: MLflow tracking address; default the one in use when it is asked.
        default_exp_name: The experiment that is meant when none is named.
    """

    def __init__(self, uri: str | None = None, default_exp_name: str = DEFAULT_EXPERIMENT) -> None:
        self._uri = uri
        self.default_exp_name = default_exp_name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.uri!r})"

    @property
    def uri(self) -> str:
        """The tracking address in use."""
        return tracking_uri(self._uri)

    @property
    def active_experiment(self) -> MLflowExperiment | None:
        """The experiment that is active in this thread or task."""
        now = active.current()
        return now.experiment if now is not None else None

    def start_exp(
        self,
        *,
        experiment_id: str | None = None,
        experiment_name: str | None = None,
        recorder_id: str | None = None,
        recorder_name: str | None = None,
        uri: str | None = None,
        resume: bool = False,
        parent_run_id: str | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> MLflowExperiment:
        """Start a recorder and make it and its experiment active; see ``R.start``."""
        given = uri or self._uri
        address = given or active.default_uri()
        if recorder_id and not experiment_id and not experiment_name:  # it knows where it belongs
            experiment_id = search.recorder_by_id(recorder_id, address).experiment_id
        experiment = MLflowExpManager(address)._named(
            experiment_id, experiment_name or self.default_exp_name, create=True
        )
        experiment.start(
            recorder_id=recorder_id,
            recorder_name=recorder_name,
            resume=resume,
            parent_run_id=parent_run_id,
            tags=tags,
            given_uri=given,
        )
        return experiment

    def end_exp(self, recorder_status: str = Recorder.STATUS_S) -> None:
        """End the active recorder with this status; nothing happens if there is none."""
        depth = active.innermost()
        if depth is not None:
            leave(depth, recorder_status)

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
            made = ask(
                uri,
                "making an experiment",
                lambda: get_client(uri).create_experiment(
                    experiment_name, artifact_location(uri, experiment_name), _EXPERIMENT_TAGS
                ),
            )
        except StoreError as error:
            if error.code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._named(None, experiment_name, create=False)
        return MLflowExperiment(made, experiment_name, uri)

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
        now = self.active_experiment
        if now is not None and not experiment_id and not experiment_name:
            return now
        found = self._named(experiment_id, experiment_name or self.default_exp_name, create)
        if start and now is None:
            found.start(given_uri=self._uri)
        return found

    def _named(self, id: str | None, name: str, create: bool) -> MLflowExperiment:
        uri = self.uri
        found = self._by_id(id) if id else self._by_name(name)
        if found is None:
            if create:
                return self.create_exp(name)
            raise ExperimentNotFoundError(
                f"there is no experiment called {name!r}: R.list_experiments() lists them"
            )
        if found.lifecycle_stage == "deleted":
            raise ExperimentDeletedError(
                f"experiment {found.name!r} was deleted: restore it with "
                f"`MLFLOW_TRACKING_URI={safe(uri)} mlflow experiments restore --experiment-id "
                f"{found.experiment_id}`, or use another name"
            )
        return MLflowExperiment(found.experiment_id, found.name, uri)

    def _by_name(self, name: str) -> Any:
        uri = self.uri
        return ask(uri, "looking for it", lambda: get_client(uri).get_experiment_by_name(name))

    def _by_id(self, id: str) -> Any:
        uri = self.uri
        try:
            return ask(uri, "looking for it", lambda: get_client(uri).get_experiment(str(id)))
        except StoreError as error:
            if error.passes:
                raise
            raise ExperimentNotFoundError(
                f"there is no experiment with the id {id!r}: R.list_experiments() lists them"
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
        uri = self.uri
        found = self._named(experiment_id, experiment_name or "", create=False)
        ask(uri, "deleting it", lambda: get_client(uri).delete_experiment(found.id))

    def list_experiments(self) -> dict[str, MLflowExperiment]:
        """All experiments by name, except deleted ones."""
        uri = self.uri
        made: dict[str, MLflowExperiment] = {}
        token: str | None = None
        while True:
            page = ask(
                uri,
                "listing experiments",
                lambda token=token: get_client(uri).search_experiments(  # type: ignore[misc]
                    max_results=1000, page_token=token
                ),
            )
            made |= {e.name: MLflowExperiment(e.experiment_id, e.name, uri) for e in page}
            token = page.token
            if not token:
                return made

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
        found = search.runs(
            self.uri,
            [str(id) for id in experiment_ids],
            filter_string or "",
            view=run_view_type or search.ACTIVE_ONLY,
            limit=max_results,
            order_by=order_by or search.NEWEST_FIRST,
        )
        return search.frame(list(found))


def artifact_location(uri: str, experiment_name: str) -> str | None:
    """Where a new experiment keeps its files; ``None`` leaves it to the tracking server."""
    settings = get_settings()
    own = uri == settings.resolved_tracking_uri() or settings.artifact_location
    location = settings.resolved_artifact_location() if own else beside(uri)
    if location is None:
        return None
    return f"{location.rstrip('/')}/{re.sub(r'[^A-Za-z0-9._-]+', '_', experiment_name)}"


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
    terms = [f"tags.`{name}` = {literal(value)}" for name, value in wanted.items()]
    if status is not None:
        terms.append(f"attributes.status = '{status}'")
    return experiment.search(" and ".join(terms))
