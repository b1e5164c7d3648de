"""The sessions that exchanges publish, and which exchange days with prices are of."""

from wf_dagster.exchanges.matching import closest_exchange
from wf_dagster.exchanges.published import (
    ExchangeFit,
    compare_with_exchange,
    exchange_closes,
    exchange_sessions,
    published_range,
)

__all__ = [
    "ExchangeFit",
    "closest_exchange",
    "compare_with_exchange",
    "exchange_closes",
    "exchange_sessions",
    "published_range",
]
