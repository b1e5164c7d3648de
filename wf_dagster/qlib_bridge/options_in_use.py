"""What Qlib is initialised with: what the settings say, or the user's own ``qlib.init``."""

from __future__ import annotations

from wf_dagster.qlib_bridge.options import QlibOptions
from wf_dagster.qlib_bridge.session import adopt_user_init, initialised_by_user
from wf_dagster.qlib_bridge.user_tracking import adopt_tracking
from wf_dagster.settings import Settings, get_settings, update_settings


def is_qlib_in_use(settings: Settings | None = None) -> bool:
    """Whether the settings name Qlib's data, or this process has called ``qlib.init``."""
    return _qlib_options(settings or get_settings()).has_provider or initialised_by_user()


def adopt_qlib_init() -> QlibOptions:
    """What Qlib is initialised with.

    What a ``qlib.init`` of the user's own said is taken over into the settings, so that worker
    processes and the task pool say the same.
    """
    adopt_tracking()
    options = _qlib_options(get_settings())
    adopted = adopt_user_init(options)
    if adopted is None:
        return options
    update_settings(
        qlib_provider_uri=adopted.provider_uri,
        qlib_region=adopted.region,
        qlib_options=dict(adopted.arguments),
    )
    return adopted


def _qlib_options(settings: Settings) -> QlibOptions:
    return QlibOptions(
        settings.qlib_provider_uri, settings.qlib_region, dict(settings.qlib_options)
    )
