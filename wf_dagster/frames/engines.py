"""Frames of pandas, or of Polars where somebody wants them."""

from __future__ import annotations

from typing import Any, Literal

import pandas as pd

from wf_dagster.errors import SettingsError
from wf_dagster.extras import optional_import

Engine = Literal["pandas", "polars"]


def of_engine(frame: pd.DataFrame, engine: str) -> Any:
    """A frame as the engine has it.

    Args:
        frame: Rows ``(datetime, instrument)``.
        engine: ``"pandas"`` leaves it; ``"polars"`` makes it one of Polars.

    Raises:
        SettingsError: The engine is another one, or Polars is not installed.
    """
    if engine == "pandas":
        return frame
    if engine == "polars":
        return to_polars(frame)
    raise SettingsError(f"engine={engine!r} is unknown: use 'pandas' or 'polars'")


def to_polars(frame: pd.DataFrame) -> Any:
    """A pandas frame as ``polars.DataFrame``; what stood in its index are its first columns.

    Args:
        frame: Rows ``(datetime, instrument)``, for example.

    Raises:
        SettingsError: Polars is not installed.
    """
    with optional_import("polars", "a Polars frame", SettingsError):
        import polars  # slow to import, and an extra
    columns = frame.reset_index()
    return polars.from_pandas(columns.set_axis([str(name) for name in columns.columns], axis=1))
