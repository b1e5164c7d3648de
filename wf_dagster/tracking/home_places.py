"""The places of a home folder: where it is, where it was, and which addresses moved along.

MLflow keeps the address of each run's files whole. A database that was moved or copied together
with its files names those of the place before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from wf_dagster.tracking.addresses import local_path

ARTIFACTS = "artifacts"  # the folder in a home where experiments keep their files


@dataclass(frozen=True)
class HomePlaces:
    """Where a home folder is and where it was.

    Attributes:
        here: Where it is.
        former: Where it was, other names of the same folder among them.
    """

    here: Path
    former: tuple[Path, ...] = ()

    @cached_property
    def _prefix(self) -> str:
        return f"{self.here.as_uri()}/"

    def is_here(self, uri: str) -> bool:
        """Whether an address is one below the home folder as it is."""
        return uri.startswith(self._prefix) and self._below_former(local_path(uri)) is None

    def current(self, uri: str) -> str:
        """The present address of files, spelled as the one given; others stay as they are.

        Args:
            uri: An address of files, or a path.
        """
        path = local_path(uri)
        moved = self.current_path(path)
        if moved is None or moved == path:
            return uri
        return moved.as_uri() if uri.startswith("file:") else str(moved)

    def current_path(self, path: Path | None) -> Path | None:
        """The present path of a file or folder.

        What is below a former place moved along, unless it alone of both is there: whoever moved
        only the database keeps the files where they are.
        """
        place = self._below_former(path)
        if path is None or place is None:
            return path
        parts = path.relative_to(place).parts
        if not parts:
            return self.here
        if not (self.here / parts[0]).exists() and (place / parts[0]).exists():
            return path
        return self.here.joinpath(*parts)

    def _below_former(self, path: Path | None) -> Path | None:
        """The former place that a path is below, if the present one is not nearer."""
        if path is None or not self.former:
            return None
        above = [place for place in (self.here, *self.former) if path.is_relative_to(place)]
        nearest = max(above, key=lambda place: len(place.parts), default=self.here)
        return None if nearest == self.here else nearest


def is_same_folder(place: Path, other: Path) -> bool:
    """Whether two paths are names of one folder: through a link, or mounted twice."""
    try:
        return place.samefile(other)
    except OSError:
        return False


def guess_former(here: Path, experiments: Iterable[str]) -> list[Path]:
    """Where a home was whose database does not say so: earlier versions did not record it.

    An experiment of the default place tells, if its folder has come along.

    Args:
        here: Where the home is.
        experiments: Addresses of the files of its experiments.
    """
    places: dict[Path, None] = {}
    for uri in experiments:
        path = local_path(uri)
        if path is None or path.parent.name != ARTIFACTS:
            continue
        place = path.parent.parent
        if place != here and (here / ARTIFACTS / path.name).is_dir():
            places[place] = None
    return list(places)
