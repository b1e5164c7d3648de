"""A strategy that was written in a ``defs.yaml``, with the lines that it stands on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
from dagster.components.core.context import ComponentLoadContext
from dagster.components.resolved.core_models import resolve_backfill_policy
from dagster.components.resolved.errors import ResolutionException
from pydantic import BaseModel, ValidationError

from wf_dagster.errors import WfError
from wf_dagster.market import Market
from wf_dagster.orchestration.component.strategy_model import GeneratorModel, StrategyModel
from wf_dagster.orchestration.component.templated import fill_templates
from wf_dagster.orchestration.component.yaml_place import YamlPlace
from wf_dagster.orchestration.resources.task_pool_resource import TaskPoolResource
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.prices.addresses import is_address
from wf_dagster.rolling import RollingGen

_log = logging.getLogger(__name__)
_NAMED_PRICES = ("sample", "qlib")


@dataclass(frozen=True, kw_only=True)
class YamlStrategySpec(RollingStrategySpec):
    """A strategy that knows where it was written.

    Attributes:
        place: Where.
        written: The values there, templates filled.
    """

    place: YamlPlace = field(compare=False, repr=False)
    written: Mapping[str, Any] = field(compare=False, repr=False)

    def error(self, error: WfError) -> ResolutionException:
        """An error of this strategy, at the line that it names by its path."""
        message = str(error)
        task = self.place.at("template")
        for place, value in (
            (task, self.written.get("template")),
            (self.place, self.written),
            (self.place.at("generator"), self.written.get("generator")),
            (self.place.at("market"), self.written.get("market")),
        ):
            if (named := place.named_in(message, value)) != place:
                return named.error(message)
        market = self.written.get("market")
        for key, value in market.items() if isinstance(market, Mapping) else ():
            if isinstance(value, str) and value in message:  # a file or an exchange
                return self.place.at("market", key).error(message)
        return self.place.error(message)


def resolve_strategies(context: dg.ResolutionContext, value: Any) -> Sequence[RollingStrategySpec]:
    """The strategies of a component.

    Args:
        context: Where they are written, and what templates may name.
        value: A list of strategies as in :class:`StrategyModel`, or a template of one.

    Raises:
        ResolutionException: One of them is wrong; the message shows the line.
    """
    filled = fill_templates(context, value)
    if not isinstance(filled, (list, tuple)):
        raise YamlPlace.of(context).error(f"write a list of strategies, not {filled!r}")
    return [_resolve_strategy(context.at_path(i), item) for i, item in enumerate(filled)]


def _resolve_strategy(context: dg.ResolutionContext, value: Any) -> RollingStrategySpec:
    if isinstance(value, RollingStrategySpec):
        return value
    place = YamlPlace.of(context)
    try:
        model = StrategyModel.model_validate(value)
    except ValidationError as error:
        raise place.invalid(error) from None
    task = _read_task(place, value)
    values: dict[str, Any] = {name: getattr(model, name) for name in model.model_fields_set}
    if "analyses" in values:
        values["analyses"] = _to_plain(place.at("analyses"), value["analyses"])
    if workflow := values.pop("from_workflow", None):
        own_analyses = values.get("analyses", [])
        values |= _read_workflow(context, place, model, workflow, own_analyses)
    else:
        values["template"] = task
    makers: dict[str, Callable[..., Any]] = {
        "generator": RollingGen,
        "market": lambda **market: Market(**_from_project(context, market)),
        "retry_policy": _retry_policy,
        "task_pool": TaskPoolResource,
    }
    for name, maker in makers.items():
        if name in values:
            values[name] = _build(place, name, values[name], maker)
    if isinstance(values.get("backfill_policy"), BaseModel):
        values["backfill_policy"] = resolve_backfill_policy(context, values["backfill_policy"])
    try:
        return YamlStrategySpec(**values, place=place, written={**value, "template": task})
    except WfError as error:
        raise place.named_in(str(error), value).error(str(error)) from None


def _build(place: YamlPlace, key: str, value: Any, maker: Callable[..., Any]) -> Any:
    """What a section of the file describes; ready objects of a template as they are."""
    if not isinstance(value, BaseModel):
        return value
    arguments = value.model_dump(exclude_unset=True)
    try:
        return maker(**arguments)
    except (WfError, dg.DagsterInvariantViolationError) as error:
        section = place.at(key)
        raise section.named_in(str(error), arguments).error(str(error)) from None


def _read_task(place: YamlPlace, value: Mapping[str, Any]) -> Any:
    """The task as it is written, dates as ISO dates."""
    task = value.get("template")
    if (task is None) == (value.get("from_workflow") is None):
        raise place.error(
            "a strategy has a template (its task) or from_workflow (a workflow file of Qlib's that "
            "holds the task): write one of them"
        )
    return _to_plain(place.at("template"), task)


def _to_plain(place: YamlPlace, value: Any) -> Any:
    if isinstance(value, Mapping):
        codes = value.get("instruments")
        if isinstance(codes, list) and (numbers := [c for c in codes if isinstance(c, int)]):
            raise place.at("instruments", codes.index(numbers[0])).error(
                f"the code {numbers[0]} is a number, and YAML reads 000001 as 1: write codes in "
                "quotes"
            )
        return {key: _to_plain(place.at(key), inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_to_plain(place.at(i), inner) for i, inner in enumerate(value)]
    # a template may give one; the file itself holds texts
    return value.isoformat() if isinstance(value, date) else value


def _retry_policy(**values: Any) -> dg.RetryPolicy:
    for name, kind in (("backoff", dg.Backoff), ("jitter", dg.Jitter)):
        if values.get(name):
            values[name] = kind[values[name]]
    return dg.RetryPolicy(**values)


def _from_project(context: dg.ResolutionContext, market: dict[str, Any]) -> dict[str, Any]:
    """A market whose price file is looked for from the project's folder on."""
    prices = market.get("prices")
    path = prices.get("path") if isinstance(prices, dict) else prices
    if not isinstance(path, str) or path.partition(":")[0] in _NAMED_PRICES or is_address(path):
        return market
    root = ComponentLoadContext.from_resolution_context(context).project_root
    file = str(root / Path(path).expanduser())
    return {**market, "prices": {**prices, "path": file} if isinstance(prices, dict) else file}


def _read_workflow(
    context: dg.ResolutionContext,
    place: YamlPlace,
    model: StrategyModel,
    workflow: str,
    own_analyses: Sequence[Any],
) -> dict[str, Any]:
    # slow to import, and only there with the extra for Qlib
    from wf_dagster.qlib_bridge.workflow_rolls import roll_workflow
    from wf_dagster.qlib_bridge.workflow_task import read_workflow_task

    try:
        read = read_workflow_task(context.resolve_source_relative_path(workflow))
        read.apply_settings()
        rolls = roll_workflow(read)
    except WfError as error:
        raise place.at("from_workflow").error(str(error)) from None
    for note in (*read.notes, *rolls.notes):
        _log.warning("%s: %s", workflow, note)
    values: dict[str, Any] = {"template": rolls.template}
    values["analyses"] = [*rolls.analyses, *own_analyses]
    if model.experiment_name is None:
        values["experiment_name"] = read.experiment_name
    generator = model.generator
    if isinstance(generator, GeneratorModel) and "trunc_days" not in generator.model_fields_set:
        values["generator"] = generator.model_copy(update={"trunc_days": read.label_reach})
    return values
