"""Strategies as a component of Dagster's: a ``defs.yaml`` in the place of code."""

# Dagster reads the annotations as types, so they are none of texts

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import dagster as dg
from dagster.components.utils.translation import TranslationFn, TranslationFnResolver
from dagster_shared.record import replace
from pydantic import BaseModel, create_model

from wf_dagster.errors import WfError
from wf_dagster.orchestration.assets.rolling_assets import rolling_assets
from wf_dagster.orchestration.automation.sensors import failed_recorder_sensor
from wf_dagster.orchestration.component.scaffolder import RollingStrategyScaffolder
from wf_dagster.orchestration.component.strategy_model import Strategies
from wf_dagster.orchestration.component.strategy_yaml import YamlStrategySpec, resolve_strategies
from wf_dagster.orchestration.strategy.rolling_strategy import RollingStrategySpec
from wf_dagster.orchestration.strategy.strategy_keys import StrategyKeys
from wf_dagster.orchestration.strategy.translator import RollingTranslator, RollProps
from wf_dagster.orchestration.strategy_definitions import build_strategy_definitions


@dataclass(frozen=True)
class TranslatedPart:
    """An asset whose specification is translated.

    Attributes:
        part: ``"recorders"``, ``"predictions"``, ``"labels"``, ``"collected"``,
            ``"online_models"``, ``"analyses"`` or ``"signals"``.
        props: What is known of it.
    """

    part: str
    props: RollProps

    def to_scope(self) -> Mapping[str, Any]:
        """What templates of a ``translation`` may name."""
        return {"part": self.part, "props": self.props}


@dg.scaffold_with(RollingStrategyScaffolder)
@dataclass
class RollingStrategyComponent(dg.Component, dg.Resolvable):
    """Strategies that are retrained on a rolling calendar, with all that Dagster needs of them.

    A ``defs.yaml`` holds a list of strategies, each with the attributes of
    :class:`RollingStrategySpec`, and gives what :func:`build_strategy_definitions` does: assets,
    checks, schedules, sensors, jobs, signals and the resource of MLflow.

    Args:
        strategies: The strategies; those of one component share their signals.
        translation: Changes how the assets look in Dagster: attributes of an ``AssetSpec``, keys
            included. Templates in it may name ``part``, ``props`` and ``spec``.
        with_checks: Whether there are checks; or arguments of :func:`build_online_checks`, such as
            ``{"ic_floor": -0.1}``.
        with_schedule: Whether there are schedules.
        with_sensors: Whether there are sensors.
        with_signals: Whether there are signals.
        with_resource: Whether there is the resource; else yours has its key.

    Example:
        >>> class OwnedByQuant(RollingStrategyComponent):
        ...     def get_asset_spec(self, part, roll_props):
        ...         spec = super().get_asset_spec(part, roll_props)
        ...         return spec.replace_attributes(owners=["team:quant"])
    """

    strategies: Annotated[
        Sequence[RollingStrategySpec],
        dg.Resolver(
            resolve_strategies,
            model_field_type=list[Any],
            inject_before_resolve=False,
            description="The strategies; those of one component share their signals.",
        ),
    ]
    translation: (
        Annotated[
            TranslationFn[TranslatedPart],
            TranslationFnResolver[TranslatedPart](TranslatedPart.to_scope),
        ]
        | None
    ) = None
    with_checks: bool | dict[str, Any] = True
    with_schedule: bool = True
    with_sensors: bool = True
    with_signals: bool = True
    with_resource: bool = True

    @classmethod
    def get_model_cls(cls) -> type[BaseModel]:
        """The schema of its ``attributes``, down to the lines of each strategy."""
        return _model_of(cls)

    def get_asset_spec(self, part: str, roll_props: RollProps) -> dg.AssetSpec:
        """An asset of a strategy, before ``translation`` changes it.

        Override it to change how assets look; what belongs to the strategy follows the keys.

        Args:
            part: ``"recorders"``, ``"predictions"``, ``"labels"``, ``"collected"``,
                ``"online_models"``, ``"analyses"`` or ``"signals"``.
            roll_props: What is known of it.
        """
        return RollingTranslator().get_asset_spec(part, roll_props)

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The definitions of all its strategies.

        Raises:
            ResolutionException: A strategy of a ``defs.yaml`` is wrong; the message shows the line.
            WfError: A strategy that was written in Python is wrong.
        """
        translator = _ComponentTranslator(self)
        try:
            definitions = build_strategy_definitions(
                list(self.strategies),
                translator=translator,
                with_checks=self.with_checks,
                with_schedule=self.with_schedule,
                with_sensors=self.with_sensors,
                with_signals=self.with_signals,
                with_resource=self.with_resource,
            )
        except WfError:
            for strategy in self.strategies:  # the first that is wrong alone is the one that is
                try:
                    rolling_assets(strategy, translator)
                except WfError as error:
                    if isinstance(strategy, YamlStrategySpec):
                        raise strategy.error(error) from None
                    raise
            raise
        return replace(definitions, sensors=self._name_sensors(definitions.sensors or []))

    def _name_sensors(self, sensors: Iterable[Any]) -> list[Any]:
        """The sensors, that of failed runs by a name of this component.

        Definitions in Python share that sensor as one object, but Dagster renews what a component
        makes, so that those of two components would be two of one name.
        """
        own = StrategyKeys(self.strategies[0].name).failed_recorder_sensor
        shared = failed_recorder_sensor()
        return [
            failed_recorder_sensor(name=own) if sensor is shared else sensor for sensor in sensors
        ]


class _ComponentTranslator(RollingTranslator):
    """What a component, or a class made of it, says of its assets."""

    def __init__(self, component: RollingStrategyComponent) -> None:
        self._component = component

    def get_asset_spec(self, part: str, roll_props: RollProps) -> dg.AssetSpec:
        spec = self._component.get_asset_spec(part, roll_props)
        translate = self._component.translation
        return translate(spec, TranslatedPart(part, roll_props)) if translate else spec


@cache
def _model_of(component: type[RollingStrategyComponent]) -> type[BaseModel]:
    derived = component.model()
    strategies = derived.model_fields["strategies"]
    return create_model(derived.__name__, __base__=derived, strategies=(Strategies, strategies))
