"""The names of ``qlib.contrib.rolling.ddgda``, whose class needs PyTorch."""

from typing import Any

from wf_dagster.compat.mirrored_names import qlib_names

# none takes the place of Qlib's own: this project's class is derived from it
__all__: list[str] = []

_load = qlib_names(__name__)


def __getattr__(name: str) -> Any:
    if name == "DDGDA":
        from wf_dagster.workflows import DDGDA  # asks for PyTorch

        return DDGDA
    return _load(name)
