"""Signatures of what tasks name, kept in the home: an import only when a file has changed.

While definitions load nothing heavy is imported. What a dotted path leads to is read once, where
imports do no harm, and kept together with the state of the files that it stands in.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cached_property
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from wf_dagster.errors import TaskError
from wf_dagster.imports.module_files import find_named_file
from wf_dagster.settings import get_settings
from wf_dagster.tasks.config import split_path
from wf_dagster.tasks.signature_process import ask_process, is_answering
from wf_dagster.tasks.signatures import Signature, import_signature, read_signature, state_of

_FILE = "signatures.json"
_HEAVY = "pandas"  # a process that holds it is not kept light
_CIRCULAR = ("partially initialized module", "circular import")
Signatures = dict[str, "Signature | TaskError | None"]


class SignatureBook:
    """Signatures by dotted path.

    Args:
        folder: Where they are kept between processes; ``None`` keeps none.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._file = None if folder is None else folder / _FILE
        self._known: Signatures = {}

    @cached_property
    def _stored(self) -> dict[str, Any]:
        """By path, as they are in the file: read when something is asked that is not imported."""
        return self._read()

    def look_up(self, paths: Iterable[str]) -> Signatures:
        """What some dotted paths lead to.

        Args:
            paths: Each names its module.

        Returns:
            A signature a path; the error of one that cannot be found, without its place in the
            task; ``None`` where it cannot be told while its module is being imported.
        """
        wanted = dict.fromkeys(paths)
        lacking = []
        for path in wanted:
            if path in self._known:
                continue
            known, signature = self._find(path)
            if known:
                self._known[path] = signature
            else:
                lacking.append(path)
        if lacking:
            self._known.update(self._look_up_anew(lacking))
        return {path: self._known[path] for path in wanted}

    def _look_up_anew(self, lacking: list[str]) -> Signatures:
        failed: Signatures = {}
        asked = [path for path in lacking if _is_asked_elsewhere(path)]
        fresh = ask_process(asked) if asked else {}
        for path in lacking:
            if path not in fresh:
                try:
                    fresh[path] = import_signature(path)
                except TaskError as error:
                    is_circular = any(text in str(error.__cause__) for text in _CIRCULAR)
                    failed[path] = None if is_circular else error
        self._keep(fresh)
        return {**failed, **fresh}

    def _find(self, path: str) -> tuple[bool, Signature | None]:
        """Whether something is known without an import, and what."""
        module, name = split_path(path)
        loaded = sys.modules.get(module)
        if loaded is not None:
            if name in vars(loaded):
                return True, read_signature(vars(loaded)[name])
            if getattr(loaded.__spec__, "_initializing", False):
                return True, None
        stored = self._stored.get(path)
        if stored is None:
            return False, None
        signature = Signature.of_plain(stored)
        return (True, signature) if _is_current(signature, module) else (False, None)

    def _read(self) -> dict[str, Any]:
        if self._file is None:
            return {}
        try:
            content = json.loads(self._file.read_text("utf-8"))
            stored = content["signatures"] if content["reader"] == _reader() else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return stored if isinstance(stored, dict) else {}

    def _keep(self, fresh: Mapping[str, Signature]) -> None:
        plain = {path: signature.to_plain() for path, signature in fresh.items() if signature.files}
        if self._file is None or not plain:
            return
        self._stored = {**self._read(), **plain}  # another process may have added some
        text = json.dumps({"reader": _reader(), "signatures": self._stored})
        with suppress(OSError):  # a home that cannot be written: it is asked every time
            self._file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=self._file.parent, prefix=f".{_FILE}")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            Path(temporary).replace(self._file)


def home_book() -> SignatureBook:
    """The signatures that are kept in the home of the settings."""
    return SignatureBook(get_settings().home / "cache")


def find_module_file(module: str) -> str | None:
    """The file that a module would be imported from; nothing is imported.

    Returns:
        ``None`` where there is no such module, or it has no file.
    """
    if (file := find_named_file(module)) is not None:
        return str(file)
    name, *inner = module.split(".")
    try:
        spec = importlib.util.find_spec(name)  # a name without a dot imports nothing
        for part in inner:
            places = None if spec is None else spec.submodule_search_locations
            if places is None:
                return None
            name = f"{name}.{part}"
            spec = PathFinder.find_spec(name, list(places))
    except (ImportError, ValueError, AttributeError):
        return None
    return None if spec is None else spec.origin


def _is_current(signature: Signature, module: str) -> bool:
    """Whether the files are those that were read, and the module is still one of them."""
    try:
        if any(state_of(file) != state for file, state in signature.files.items()):
            return False
    except OSError:
        return False
    return find_module_file(module) in signature.files


def _is_asked_elsewhere(path: str) -> bool:
    if is_answering():
        return False
    # Qlib is to be imported when it is initialised
    is_new_qlib = path.startswith("qlib.") and "qlib" not in sys.modules
    return _HEAVY not in sys.modules or is_new_qlib


def _reader() -> list[Any]:
    """What has read the signatures: this Python and this package."""
    own = (__file__, str(Path(__file__).with_name("signatures.py")))
    return [sys.version, sys.prefix, *[list(state_of(file)) for file in own]]
