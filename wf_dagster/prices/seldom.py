"""Questions to servers that are asked again and again, and answered anew now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

_SECONDS = 5.0
_TIMES = 20  # asking takes a twentieth of the time at most
_answers: dict[Any, tuple[float, str]] = {}


def ask_seldom(key: Any, ask: Callable[[], str], *, anew: bool = False) -> str:
    """An answer that costs a call to a server, for some seconds the same.

    A calendar asks its prices for their content whenever it is asked itself.

    Args:
        key: What is asked.
        ask: Asks.
        anew: Whatever the answer was a moment ago.
    """
    until, answer = _answers.get(key, (0.0, ""))
    begun = time.monotonic()
    if anew or begun >= until:
        answer = ask()
        took = time.monotonic() - begun
        _answers[key] = (time.monotonic() + max(_SECONDS, _TIMES * took), answer)
    return answer
