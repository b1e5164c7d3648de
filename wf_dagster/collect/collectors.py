"""Collectors: from many recorders to ``{artifact: {key: object}}``."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from typing_extensions import Self

from wf_dagster.collect.collector_files import read_collector, write_collector
from wf_dagster.errors import CollectError, ObjectNotFoundError
from wf_dagster.tracking import R
from wf_dagster.tracking.recorder import Recorder
from wf_dagster.tracking.run_kinds import is_parent, is_training

_log = logging.getLogger(__name__)

READERS = 8  # threads; reading files and unpacking them wait more than they compute
Process = Callable[..., Any]


class Collector:
    """Collects objects, then processes each artifact's dict, for example groups and merges it.

    Args:
        process_list: A callable or several, applied in this order.

    Raises:
        CollectError: One of them is not callable.
    """

    def __init__(self, process_list: Process | Sequence[Process] = ()) -> None:
        self.process_list = _list_processes(process_list)

    def collect(self) -> dict[Any, Any]:
        """The objects, as ``{artifact: {key: object}}``."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it collects")

    @staticmethod
    def process_collect(
        collected_dict: Mapping[Any, Any],
        process_list: Process | Sequence[Process] = (),
        *args: Any,
        **kwargs: Any,
    ) -> dict[Any, Any]:
        """Apply the processes to the value of each artifact.

        Args:
            collected_dict: What :meth:`collect` gave.
            process_list: A callable or several, applied in this order.
            *args: Passed on to each.
            **kwargs: Passed on to each.

        Raises:
            CollectError: One of them is not callable.
        """
        processes = _list_processes(process_list)
        processed = {}
        for artifact, value in collected_dict.items():
            for process in processes:
                value = process(value, *args, **kwargs)
            processed[artifact] = value
        return processed

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        """Collect and process."""
        return self.process_collect(self.collect(), self.process_list, *args, **kwargs)

    def to_pickle(self, path: str | Path, **kwargs: Any) -> None:
        """Keep the collector in a file; what it collects stays where it is.

        Args:
            path: The file.
            **kwargs: Qlib's ``dump_all``, ``exclude`` and ``include``, of no account here.
        """
        write_collector(self, path, kwargs)

    @classmethod
    def load(cls, filepath: str | Path, allow: Sequence[str] = ()) -> Self:
        """A collector that was kept in a file.

        Args:
            filepath: The file.
            allow: Modules of functions and classes of your own in it, which loading may run.

        Raises:
            CollectError: It is no such file, or holds another kind of collector.
            UnsafeObjectError: The file names something else that may run code.
        """
        return read_collector(cls, filepath, allow)


class MergeCollector(Collector):
    """Collects with several collectors into one dict.

    Args:
        collector_dict: Collectors by key.
        process_list: A callable or several, applied in this order.
        merge_func: ``(collector key, artifact) -> key``; default the tuple of both.
    """

    def __init__(
        self,
        collector_dict: Mapping[Any, Collector],
        process_list: Process | Sequence[Process] = (),
        merge_func: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        super().__init__(process_list)
        self.collector_dict = collector_dict
        self.merge_func = merge_func

    def collect(self) -> dict[Any, Any]:
        """Everything that the collectors give, processed by them, under merged keys."""
        collected: dict[Any, Any] = {}
        for name, collector in self.collector_dict.items():
            for artifact, value in collector().items():
                key = self.merge_func(name, artifact) if self.merge_func else (name, artifact)
                if key in collected:
                    _log.warning("MergeCollector: key %r is there twice, the last counts", key)
                collected[key] = value
        return collected


class RecorderCollector(Collector):
    """Collects objects of the recorders of an experiment.

    Args:
        experiment: Name of an experiment; an experiment (``list_recorders()``); or a function that
            gives a list of recorders, or a dict of them by id.
        process_list: A callable or several, applied in this order.
        rec_key_func: The key of a recorder; default its id.
        rec_filter_func: Whether a recorder is collected; default all.
        artifacts_path: Names of objects in a recorder, by artifact.
        artifacts_key: The artifacts to collect, one or several; default all. ``"__raw"`` gives the
            recorders themselves.
        list_kwargs: Arguments of the experiment's ``list_recorders``.
        status: Statuses that are collected; ``None`` for any.

    Raises:
        CollectError: An artifact is unknown, or a process is not callable.
        ExperimentNotFoundError: No experiment has that name.
    """

    ART_KEY_RAW = "__raw"

    def __init__(
        self,
        experiment: Any,
        process_list: Process | Sequence[Process] = (),
        rec_key_func: Callable[[Any], Any] | None = None,
        rec_filter_func: Callable[[Any], bool] | None = None,
        artifacts_path: Mapping[str, str] | None = None,
        artifacts_key: str | Sequence[str] | None = None,
        list_kwargs: Mapping[str, Any] | None = None,
        status: Iterable[str] | None = (Recorder.STATUS_FI,),
    ) -> None:
        super().__init__(process_list)
        if isinstance(experiment, str):
            # a misspelt name must not make an experiment
            experiment = R.get_exp(experiment_name=experiment, create=False)
        if not hasattr(experiment, "list_recorders") and not callable(experiment):
            raise CollectError(
                f"experiment={experiment!r}: give the name of an experiment, an experiment, or a "
                "function that lists recorders"
            )
        self.experiment = experiment
        self.artifacts_path = dict(artifacts_path or {"pred": "pred.pkl"})
        self.artifacts_key = self._check_artifacts(artifacts_key or list(self.artifacts_path))
        self.rec_key_func = rec_key_func or _recorder_id
        self.rec_filter_func = rec_filter_func
        self.list_kwargs = dict(list_kwargs or {})
        self.status = None if status is None else set(_as_list(status))

    def collect(
        self,
        artifacts_key: str | Sequence[str] | None = None,
        rec_filter_func: Callable[[Any], bool] | None = None,
        only_exist: bool = True,
    ) -> dict[Any, Any]:
        """The objects, as ``{artifact: {recorder's key: object}}``.

        Where two recorders have the same key, a warning names it and the one that was started
        last counts (of a listing function's recorders, the last listed).

        Args:
            artifacts_key: The artifacts; default those of the constructor.
            rec_filter_func: The filter; default that of the constructor.
            only_exist: Leave out, with a warning, what a recorder does not hold.

        Raises:
            CollectError: An artifact is unknown.
            ObjectNotFoundError: With ``only_exist=False``, a recorder lacks an object.
        """
        artifacts = self._check_artifacts(artifacts_key or self.artifacts_key)
        accepted = rec_filter_func or self.rec_filter_func
        recorders = [
            recorder
            for recorder in self._recorders()
            if (self.status is None or recorder.status in self.status)
            and (accepted is None or accepted(recorder))
        ]
        counts = Counter(recorder.status for recorder in recorders)
        _log.info("RecorderCollector: recorders by status: %s", dict(counts))
        pairs = [(recorder, artifact) for recorder in recorders for artifact in artifacts]
        with ThreadPoolExecutor(READERS) as pool:
            objects = list(pool.map(lambda pair: self._read(pair[0], pair[1], only_exist), pairs))
        collected: dict[str, dict[Any, Any]] = {}
        keys: dict[int, Any] = {}
        for (recorder, artifact), single in zip(pairs, objects, strict=True):
            if not single:
                continue
            # once a recorder: such a function may read its task from a file
            if id(recorder) not in keys:
                keys[id(recorder)] = self._key(recorder)
            key = keys[id(recorder)]
            by_key = collected.setdefault(artifact, {})
            if key in by_key:
                _log.warning(
                    "RecorderCollector: key %r is there twice, recorder %s counts: let "
                    "rec_key_func or rec_filter_func tell them apart",
                    key,
                    recorder.id,
                )
            by_key[key] = single[0]
        return collected

    def get_exp_name(self) -> str:
        """Name of the experiment."""
        return str(self.experiment.name)

    def _recorders(self) -> list[Any]:
        if not hasattr(self.experiment, "list_recorders"):
            listed = self.experiment()
            several = listed.values() if isinstance(listed, Mapping) else listed
            return [recorder for recorder in several if not is_parent(recorder.list_tags())]
        listed = self.experiment.list_recorders(**self.list_kwargs)
        # MLflow lists the newest first; an experiment of Qlib's lists what is no training too
        return [r for r in reversed(list(listed.values())) if is_training(r.list_tags())]

    def _key(self, recorder: Any) -> Any:
        key = self.rec_key_func(recorder)
        try:
            hash(key)
        except TypeError:
            raise CollectError(
                f"rec_key_func gave {key!r} for recorder {recorder.id}: a key must be hashable, "
                "for example a tuple instead of a list"
            ) from None
        return key

    def _read(self, recorder: Any, artifact: str, only_exist: bool) -> tuple[Any, ...]:
        """The object alone, or nothing."""
        if artifact == self.ART_KEY_RAW:
            return (recorder,)
        try:
            return (recorder.load_object(self.artifacts_path[artifact]),)
        except ObjectNotFoundError as error:
            if not only_exist:
                raise
            _log.warning("RecorderCollector: left out, %s", error)
            return ()

    def _check_artifacts(self, artifacts: str | Sequence[str]) -> list[str]:
        names = _as_list(artifacts)
        for name in names:
            if name != self.ART_KEY_RAW and name not in self.artifacts_path:
                raise CollectError(
                    f"artifacts_key {name!r} is unknown: use {', '.join(self.artifacts_path)} or "
                    f"{self.ART_KEY_RAW}, or add it to artifacts_path"
                )
        return names


def _recorder_id(recorder: Any) -> str:
    return str(recorder.info["id"])


def _as_list(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _list_processes(process_list: Process | Sequence[Process]) -> list[Process]:
    if callable(process_list):
        return [process_list]
    if not isinstance(process_list, Iterable):
        raise CollectError(
            f"process_list is {process_list!r}: give a callable such as RollingGroup()"
        )
    for place, process in enumerate(processes := list(process_list)):
        if not callable(process):
            raise CollectError(
                f"process_list[{place}] is {process!r}: give callables such as RollingGroup()"
            )
    return processes
