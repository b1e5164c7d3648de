"""The folder of a Dagster instance."""

from __future__ import annotations

import logging
import os
from hashlib import sha256
from pathlib import Path

from wf_dagster.errors import SettingsError
from wf_dagster.sqlite_urls import means_itself

_log = logging.getLogger(__name__)


def prepare_dagster_home(home: Path) -> Path:
    """The Dagster instance folder: ``DAGSTER_HOME``, or ``home/dagster``, ready for use.

    Dagster makes addresses of its databases from the path as it is, and would keep them elsewhere
    where there is a ``?`` or ``%20`` in it. Such a folder goes by the name of a link to it.

    Raises:
        SettingsError: There is no place for such a link.
    """
    folder = Path(os.environ.get("DAGSTER_HOME") or home / "dagster").absolute()
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "dagster.yaml"
    if not config.exists():
        config.write_text("telemetry:\n  enabled: false\nnux:\n  enabled: false\n")
    return folder if means_itself(folder) else _link_to(folder)


def check_dagster_home() -> None:
    """Say so where Dagster, started with its own commands, will not find its own folder."""
    folder = os.environ.get("DAGSTER_HOME", "")
    if folder and not means_itself(Path(folder).absolute()):
        _log.warning(
            "DAGSTER_HOME=%r: Dagster's own commands take ? and %%20 in it for something else and "
            "keep their databases at another place; use `wf-dagster ui`, or a folder without them",
            folder,
        )


def _link_to(folder: Path) -> Path:
    # not in the folder for temporary files, which is cleared while a daemon may run
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute()
    link = cache / "wf_dagster" / sha256(os.fsencode(folder)).hexdigest()[:16]
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(folder, target_is_directory=True)
    except FileExistsError:  # another process was faster
        pass
    except OSError as error:
        raise SettingsError(
            f"Dagster cannot keep its state in {str(folder)!r}, whose name means something else in "
            f"an address, and {link.parent} cannot be written ({error.strerror}): set DAGSTER_HOME "
            "to a folder without ? and % in its path"
        ) from error
    if not (means_itself(link) and link.samefile(folder)):
        raise SettingsError(
            f"Dagster cannot keep its state in {str(folder)!r}, whose name means something else in "
            f"an address, nor be led there by {str(link)!r}: set DAGSTER_HOME to a folder without "
            "? and % in its path"
        )
    return link
