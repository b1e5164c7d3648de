"""The experiment, as Qlib's users know it: all recorders of one strategy."""

from __future__ import annotations

from wf_dagster.imports.after_import import OpenBase


class Experiment(OpenBase):
    """All recorders of one strategy.

    Attributes:
        id: Identifies it.
        name: Identifies it as well.
    """

    RT_D = "dict"
    RT_L = "list"

    id: str
    name: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, id={self.id!r})"
