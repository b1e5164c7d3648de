"""What the desk makes of the signals: a list of what to hold."""

import dagster as dg
import pandas as pd

from desk.paths import REPORT

HELD = 10


@dg.asset(
    ins={name: dg.AssetIn([name, "signals"]) for name in ("momentum", "reversal")}, kinds={"csv"}
)
def report(momentum: pd.DataFrame, reversal: pd.DataFrame) -> dg.MaterializeResult:
    """The instruments with the highest average score on the last session of both strategies."""
    scores = pd.concat([momentum["score"], reversal["score"]], axis=1, join="inner")
    day = scores.index.get_level_values("datetime").max()
    held = scores.loc[day].mean(axis=1).nlargest(HELD).rename("score")
    held.to_csv(REPORT)
    return dg.MaterializeResult(
        metadata={"session": f"{day:%Y-%m-%d}", "held": dg.MetadataValue.json(list(held.index))}
    )
