"""Keep secrets out of what is recorded without being asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

MASK = "***"
_WORDS = (
    r"passw(?:or)?d|passphrase|pwd|secret|token(?!iz)|credential|authorization|cookie|bearer"
    r"|(?:api|access|account|private|signing|encryption)[_-]?key|connection[_-]?string"
)
_NAME = re.compile(_WORDS, re.IGNORECASE)
# name = value, name: value, "name": "value"; more is masked than must be, never less
_ASSIGNED = re.compile(
    rf"""(?P<name>(?:{_WORDS})[\w.-]*["']?\s*[:=]\s*)"""
    r"""(?:(?P<quote>["'])(?:\\.|(?!(?P=quote)).)*(?P=quote)|(?:bearer\s+|basic\s+)?[^\s,;"'&]+)""",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"(\w+://)[^/\s:@'\"]*:[^/\s@'\"]+@")
_SHAPES = re.compile(
    r"AKIA[0-9A-Z]{16}|ASIA[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}"
    r"|glpat-[\w-]{20,}|sk-[\w-]{20,}|xox[abprs]-[\w-]{10,}|hf_[A-Za-z0-9]{20,}|AIza[\w-]{30,}"
    r"|eyJ[\w-]{10,}\.[\w-]{10,}\.[\w-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
)


def redacted(text: str) -> str:
    """A text with what looks like a secret masked."""
    text = _SHAPES.sub(MASK, text)
    text = _IN_ADDRESS.sub(rf"\1{MASK}@", text)
    return _ASSIGNED.sub(lambda match: f"{match['name']}{MASK}", text)


def redacted_command(arguments: Sequence[str]) -> str:
    """A command line with the values of secret options masked."""
    words = []
    hide = False
    for argument in arguments:
        words.append(MASK if hide else redacted(argument))
        hide = argument.startswith("-") and "=" not in argument and is_secret_name(argument)
    return " ".join(words)


def is_secret_name(name: str) -> bool:
    """Whether a variable or option of this name holds a secret, by the look of it."""
    return bool(_NAME.search(name))
