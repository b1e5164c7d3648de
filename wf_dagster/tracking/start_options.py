"""What a start of a recorder can be told: the keywords of ``R.start``, written once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from typing_extensions import TypedDict, get_type_hints


class RecorderOptions(TypedDict, total=False):
    """Which recorder of an experiment to start.

    Attributes:
        recorder_id: Go on with this recorder.
        recorder_name: Name of the new recorder, or with ``resume`` of the one to go on with;
            default ``"mlflow_recorder"``.
        resume: Go on with the latest recorder of that name, if there is one, instead of making
            one.
        parent_run_id: The run under which a new recorder is shown.
        tags: First tags of a new recorder.
    """

    recorder_id: str | None
    recorder_name: str | None
    resume: bool
    parent_run_id: str | None
    tags: Mapping[str, Any] | None


class StartOptions(RecorderOptions, total=False):
    """Which recorder to start, and where.

    Attributes:
        experiment_id: The experiment by id; default that of ``recorder_id``.
        experiment_name: The experiment by name; made when it is not there; default
            ``"Experiment"``.
        uri: MLflow tracking address, for everything inside the start; default that of the
            settings.
    """

    experiment_id: str | None
    experiment_name: str | None
    uri: str | None


RECORDER_OPTIONS = tuple(get_type_hints(RecorderOptions))
START_OPTIONS = tuple(get_type_hints(StartOptions))


def recorder_options(options: StartOptions) -> RecorderOptions:
    """The options that an experiment takes.

    Raises:
        TypeError: One of the options is unknown.
    """
    check_options(options, START_OPTIONS)
    return cast(RecorderOptions, {n: v for n, v in options.items() if n in RECORDER_OPTIONS})


def check_options(options: Mapping[str, Any], names: Collection[str]) -> None:
    """Refuse keywords that a start does not know, as Python does where they are spelt out.

    Raises:
        TypeError: One of the options is unknown.
    """
    for name in options:
        if name not in names:
            raise TypeError(
                f"a start got an unexpected keyword argument {name!r}: it takes {', '.join(names)}"
            )
