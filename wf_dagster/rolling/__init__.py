"""From templates to rolls: generators, horizons, and when a roll can be trained."""

from wf_dagster.rolling.generators import TaskGen, task_generator
from wf_dagster.rolling.handler_dates import handler_mod
from wf_dagster.rolling.horizons import MultiHorizonGen, MultiHorizonGenBase
from wf_dagster.rolling.roll_identity import (
    RollIdentity,
    RollsByIdentity,
    WantedRoll,
    training_fingerprint,
)
from wf_dagster.rolling.rolling_gen import RollingGen
from wf_dagster.rolling.rolls import Roll, Rolls
from wf_dagster.rolling.templates import same_models, template_fingerprint
from wf_dagster.rolling.time_adjuster import TimeAdjuster, trunc_segments
from wf_dagster.rolling.training_due import due_session, why_not_due

__all__ = [
    "MultiHorizonGen",
    "MultiHorizonGenBase",
    "Roll",
    "RollIdentity",
    "RollingGen",
    "Rolls",
    "RollsByIdentity",
    "TaskGen",
    "TimeAdjuster",
    "WantedRoll",
    "due_session",
    "handler_mod",
    "same_models",
    "task_generator",
    "template_fingerprint",
    "training_fingerprint",
    "trunc_segments",
    "why_not_due",
]
