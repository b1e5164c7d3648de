"""What a strategy looks like in a ``defs.yaml``: the schema that editors and ``dg check`` use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from datetime import date
from typing import Annotated, Any, Literal

import dagster as dg
from dagster.components.resolved.core_models import (
    MultiRunBackfillPolicyModel,
    SingleRunBackfillPolicyModel,
)
from pydantic import ConfigDict, Field, PlainSerializer, WrapValidator

from wf_dagster.market import Market
from wf_dagster.orchestration.component.templated import Templated
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.strategy.conditions import Automation
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.rolling import RollingGen

_ATTRIBUTE = re.compile(r"^ {8}(\w+): (.+(?:\n {10,}.+)*)", re.MULTILINE)
_DESCRIPTIONS = {
    name: " ".join(text.split())
    for name, text in _ATTRIBUTE.findall(RollingStrategySpec.__doc__ or "")
}


_DEFAULTS = {field.name: field for field in fields(RollingStrategySpec)}


def _mirrored(name: str, **changes: Any) -> Any:
    """The attribute of that name of the specification as a field."""
    attribute = _DEFAULTS[name]
    default: dict[str, Any] = {}
    if attribute.default is not MISSING:
        default["default"] = attribute.default
    elif attribute.default_factory is not MISSING:
        default["default_factory"] = attribute.default_factory
    return Field(**{**default, **changes}, description=_DESCRIPTIONS[name])


class PartModel(dg.Model):
    """A model, dataset or record: a class and its arguments."""

    class_: Annotated[str, Templated(object)] = Field(
        default="", alias="class", description="Name or dotted path."
    )
    func: Annotated[str, Templated(object)] = Field(
        default="", description="A function that makes it, in its place."
    )
    module_path: Annotated[str, Templated(optional=True)] = Field(
        default="", description="The module that holds the name."
    )
    kwargs: Annotated[dict[str, Any], Templated(optional=True)] = Field(default_factory=dict)


def _check_mapping(value: Any, check: Callable[[Any], Any]) -> Any:
    """A template may give ready objects."""
    return check(value) if isinstance(value, Mapping) else value


# or a dotted path
Part = Annotated[PartModel, Templated(any_text=True), WrapValidator(_check_mapping)]


class TaskModel(dg.Model):
    """A task in Qlib's format; its segments are those of the first roll."""

    model_config = ConfigDict(extra="allow")

    model: Part
    dataset: Part
    record: list[Part] = Field(default_factory=list)


class GeneratorModel(dg.Model):
    """How the segments of the task move on (``RollingGen``)."""

    step: Annotated[int | Literal["week", "month", "quarter", "year"], Templated()] = Field(
        default=40, description="Sessions a roll, or a period of the calendar year."
    )
    rtype: Annotated[Literal["expanding", "sliding"], Templated()] = Field(
        default="expanding", description="Whether train keeps its start, or its length."
    )
    trunc_days: Annotated[int | None, Templated()] = Field(
        default=None,
        description="Sessions between train and test: at least as many as labels look ahead.",
    )
    fit_with_train: Annotated[bool | None, Templated()] = Field(
        default=None, description="Whether processors are fitted on each roll's own train segment."
    )
    warm_start: Annotated[bool, Templated()] = Field(
        default=False, description="Whether a model starts from that of the roll before."
    )
    train_key: str = Field(default="train", description="Name of the train segment.")
    test_key: str = Field(default="test", description="Name of the test segment.")


class MarketModel(dg.Model):
    """Where prices come from and on which sessions the strategy rolls (``Market``)."""

    prices: Annotated[str | dict[str, Any] | None, Templated(object)] = Field(
        default=None,
        description="'sample', 'qlib', a price file or a folder of them (from the project's folder "
        "on), the address of one or of a table, or the class of a source of your own.",
    )
    calendar: Annotated[str | None, Templated(object)] = Field(
        default=None, description="Code of an exchange such as XNYS, 'prices', or 'qlib'."
    )
    as_of: Annotated[str | None, Templated(date)] = Field(
        default=None, description="Replay date: later prices are hidden."
    )
    min_coverage: Annotated[float | None, Templated()] = Field(
        default=None, description="Share of the instruments that a session must have."
    )


class RetryModel(dg.Model):
    """Retries of a failed step (``RetryPolicy``)."""

    max_retries: Annotated[int, Templated()] = 1
    delay: Annotated[float | None, Templated()] = Field(default=None, description="Seconds.")
    backoff: Literal["LINEAR", "EXPONENTIAL"] | None = None
    jitter: Literal["FULL", "PLUS_MINUS"] | None = None


class PoolModel(dg.Model):
    """The task pool that offers rolls to workers outside Dagster (``TaskPoolResource``)."""

    url: str = Field(default="", description="Address; default the setting task_store.")
    name: str = Field(default="", description="Name of the pool; default that of the strategy.")
    lease: Annotated[float, Templated()] = 60.0
    max_attempts: Annotated[int, Templated()] = 3


class StrategyModel(dg.Model):
    """A strategy: the attributes of ``RollingStrategySpec``, or a workflow file of Qlib's."""

    name: str = _mirrored("name")
    template: Annotated[TaskModel, Templated(optional=True)] = _mirrored("template", default=None)
    from_workflow: str | None = Field(
        default=None,
        description="A workflow file of Qlib's qrun that holds the task, in the place of "
        "template; from the folder of the defs.yaml on.",
    )
    generator: Annotated[GeneratorModel, Templated(RollingGen)] = _mirrored("generator")
    market: Annotated[MarketModel, Templated(Market, optional=True)] = _mirrored("market")
    experiment_name: str | None = _mirrored("experiment_name")
    description: str = _mirrored("description")
    owners: Annotated[list[str], Templated()] = _mirrored("owners")
    group_name: str | None = _mirrored("group_name")
    kinds: Annotated[list[str], Templated()] = _mirrored("kinds")
    tags: Annotated[dict[str, str], Templated()] = _mirrored("tags")
    max_workers: Annotated[int | None, Templated()] = _mirrored("max_workers")
    backfill_policy: Annotated[
        SingleRunBackfillPolicyModel | MultiRunBackfillPolicyModel,
        Field(discriminator="type"),
        Templated(dg.BackfillPolicy, optional=True),
    ] = _mirrored("backfill_policy")
    retry_policy: Annotated[RetryModel, Templated(dg.RetryPolicy, optional=True)] = _mirrored(
        "retry_policy"
    )
    task_pool: Annotated[PoolModel, Templated(TaskPoolResource, optional=True)] = _mirrored(
        "task_pool"
    )
    automation: Annotated[Automation, Templated()] = _mirrored("automation")
    prices_asset: Annotated[str | list[str] | None, Templated(object)] = _mirrored("prices_asset")
    key_prefix: Annotated[str | list[str], Templated()] = _mirrored("key_prefix")
    tracking_key: str = _mirrored("tracking_key")
    op_tags: Annotated[dict[str, Any], Templated()] = _mirrored("op_tags")
    pool: str | None = _mirrored("pool")
    cron: str = _mirrored("cron")
    execution_timezone: str = _mirrored("execution_timezone")
    signals: str | None = _mirrored("signals")
    allow_look_ahead: Annotated[bool, Templated()] = _mirrored("allow_look_ahead")
    analyses: Annotated[list[Part], Templated()] = _mirrored("analyses")


def _keep_as_written(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


# templates are filled after Dagster has checked the file, and the values are checked again then
Strategies = Annotated[
    list[Annotated[StrategyModel, Templated(RollingStrategySpec)]],
    Templated(),
    WrapValidator(_keep_as_written),
    PlainSerializer(lambda value: value),
]
