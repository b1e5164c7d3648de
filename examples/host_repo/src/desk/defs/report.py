"""What the desk makes of the signals: a list of what to hold."""

import dagster as dg
import pandas as pd

from desk.paths import REPORT
from wf_dagster.online.signal_store import load_signals

STRATEGIES = ("momentum", "reversal")
HELD = 10


@dg.asset(deps=[dg.AssetKey([name, "signals"]) for name in STRATEGIES], kinds={"csv"})
def report() -> dg.MaterializeResult:
    """The instruments with the highest average score on the last session of both strategies."""
    frames = [load_signals(f"{name}_signals")["score"].rename(name) for name in STRATEGIES]
    scores = pd.concat(frames, axis=1, join="inner")
    day = scores.index.get_level_values("datetime").max()
    held = scores.loc[day].mean(axis=1).nlargest(HELD).rename("score")
    held.to_csv(REPORT)
    return dg.MaterializeResult(
        metadata={"session": f"{day:%Y-%m-%d}", "held": dg.MetadataValue.json(list(held.index))}
    )
