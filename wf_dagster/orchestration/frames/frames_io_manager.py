"""The IO manager of a strategy's assets: it stores nothing, and reads from the recorders."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from wf_dagster.orchestration.failures import wf_errors_as_failures

FRAMES_KEY = "wf_frames"


class FramesIOManager(dg.IOManager):
    """Gives the frames of a strategy to assets that name its assets as inputs.

    The assets of a strategy bring it along under the key ``wf_frames``, so that
    ``ins={"signals": dg.AssetIn("signals")}`` has the signals whatever the IO manager of your own
    assets is. What arrives is what the annotation of the input asks for: a pandas frame (also
    without an annotation), ``polars.DataFrame`` or ``polars.LazyFrame``, or, of partitioned assets,
    ``dict[str, ...]`` for one a roll.

    Another code location lists what is upstream, and gives it as a resource of its own::

        dg.Definitions(
            assets=[dg.AssetSpec("signals").with_io_manager_key("wf_frames"), report],
            resources={"wf_frames": FramesIOManager()},
        )
    """

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Nothing: what is computed is in the recorders already.

        Raises:
            Failure: The asset gives a value, which would be lost.
        """
        if obj is not None:
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} gives a {type(obj).__name__}, and "
                f"{FRAMES_KEY!r} stores none: it reads what strategies keep in MLflow. Use your "
                "own IO manager for your own assets"
            )

    def load_input(self, context: dg.InputContext) -> Any:
        """The frame of an asset of a strategy, for the rolls that the input is mapped to.

        Raises:
            Failure: It is not there, or cannot be had as what the annotation asks for.
        """
        from wf_dagster.orchestration.frames.input_frames import load_frame  # pandas and MLflow

        with wf_errors_as_failures():
            return load_frame(context)


# one object: Dagster refuses two resources of a key in one job, if they are not the same
FRAMES_RESOURCE = dg.IOManagerDefinition.hardcoded_io_manager(
    FramesIOManager(), "Reads the frames of strategies from their recorders in MLflow."
)


def multi_asset_with_frames(
    specs: Sequence[dg.AssetSpec],
    *,
    resource_defs: Mapping[str, dg.ResourceDefinition] | None = None,
    **options: Any,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """``dg.multi_asset`` of assets whose frames inputs are given.

    Args:
        specs: The assets.
        resource_defs: Further resources that they bring along.
        **options: Those of ``dg.multi_asset``.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Parameter `resource_defs`", dg.BetaWarning)
        return dg.multi_asset(
            specs=[_with_frames(spec) for spec in specs],
            resource_defs={**(resource_defs or {}), FRAMES_KEY: FRAMES_RESOURCE},
            **options,
        )


def _with_frames(spec: dg.AssetSpec) -> dg.AssetSpec:
    named = "dagster/io_manager_key" in spec.metadata  # by a translator
    return spec if named else spec.with_io_manager_key(FRAMES_KEY)
