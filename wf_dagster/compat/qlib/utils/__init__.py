"""The names of ``qlib.utils``."""

from typing import Any

from wf_dagster.compat.mirrored_names import qlib_names

# none takes the place of Qlib's own: there the tables are shared wherever a handler is set up
__all__: list[str] = []

__getattr__ = qlib_names(__name__)


def init_instance_by_config(*args: Any, **kwargs: Any) -> Any:
    """As Qlib's, whose handlers take their data from this project's shared tables.

    Raises:
        MissingExtraError: pyqlib is not installed.
    """
    make = __getattr__("init_instance_by_config")
    from wf_dagster.qlib_bridge.shared_handlers import handlers_shared  # imports Qlib

    with handlers_shared():
        return make(*args, **kwargs)
