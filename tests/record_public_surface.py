"""The public surface as text: what other people's code, stores and shells may rely on.

``python -m tests.record_public_surface`` writes it to ``public_surface.txt``, which
``test_public_surface.py`` compares: a change shows in review.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, ForwardRef

import pydantic
import typer.main

import wf_dagster
from wf_dagster.cli import app

FILE = Path(__file__).with_name("public_surface.txt")
ROOMS = (
    "calendars",
    "collect",
    "data",
    "frames",
    "models",
    "online",
    "orchestration",
    "pool",
    "prices",
    "records",
    "rolling",
    "tasks",
    "tracking",
    "training",
    "workflows",
)
WIDTH = 100
_ADDRESS = re.compile(r"<(\S+ )?(\S+) (object )?at 0x[0-9a-f]+>")


def public_objects() -> dict[str, Any]:
    """What the package and its rooms export, by dotted name; what is exported twice, once."""
    objects = {f"wf_dagster.{name}": getattr(wf_dagster, name) for name in wf_dagster.__all__}
    listed = [id(value) for value in objects.values()]
    for room in ROOMS:
        module = importlib.import_module(f"wf_dagster.{room}")
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if id(value) not in listed:
                objects[f"{module.__name__}.{name}"] = value
    return objects


def public_callables() -> dict[str, Any]:
    """Functions, constructors and methods of the public objects, by dotted name."""
    callables: dict[str, Any] = {}
    for name, value in public_objects().items():
        if inspect.isclass(value):
            if not is_model(value) and is_ours(value.__init__):
                callables[name] = value
            callables |= {f"{name}.{method}": f for method, f in methods_of(value).items()}
        elif inspect.isroutine(value):
            callables[name] = value
    return callables


def parameters_of(function: Any) -> list[inspect.Parameter]:
    """The parameters of a callable, without ``self``."""
    parameters = list(inspect.signature(function).parameters.values())
    return parameters[1:] if parameters and parameters[0].name == "self" else parameters


def methods_of(cls: type) -> dict[str, Any]:
    """The public methods of a class that are this project's, inherited ones too."""
    return {
        name: getattr(cls, name)
        for name in sorted(dir(cls))
        if not name.startswith("_")
        and inspect.isroutine(getattr(cls, name))
        and is_ours(getattr(cls, name))
    }


def is_ours(function: Any) -> bool:
    return str(getattr(function, "__module__", "")).startswith("wf_dagster")


def is_model(cls: type) -> bool:
    return issubclass(cls, pydantic.BaseModel)


def lines_of_names() -> Iterator[str]:
    """Every public name with its kind and signature."""
    for name, value in sorted(public_objects().items()):
        if inspect.isclass(value):
            yield from lines_of_class(name, value)
        elif inspect.isroutine(value):
            yield from wrapped(f"function {name}", value)
        elif isinstance(value, (str, int, tuple)):
            yield f"constant {name} = {value!r}"
        else:
            yield f"object {name}: {type(value).__name__}"


def lines_of_class(name: str, cls: type) -> Iterator[str]:
    # Qlib's classes are added to some once Qlib is imported
    own = [base for base in cls.__bases__ if base.__module__.partition(".")[0] != "qlib"]
    bases = [base.__name__ for base in own if base is not object]
    head = f"class {name}" + (f" is {', '.join(bases)}" if bases else "")
    if is_model(cls):
        yield head
        for field, info in cls.model_fields.items():  # type: ignore[attr-defined]
            if field in getattr(cls, "__annotations__", {}):
                annotation = text_of_annotation(cls.__annotations__[field])
                yield f"    {field}: {annotation}{default(info)}"
    elif cls.__init__ is not object.__init__ and is_ours(cls.__init__):
        yield from wrapped(head, cls)
    else:
        yield head
    for attribute in sorted(dir(cls)):
        static = inspect.getattr_static(cls, attribute)
        if attribute.startswith("_") or attribute in getattr(cls, "model_fields", {}):
            continue
        getter = getattr(static, "fget", getattr(static, "func", None))  # a cached property's
        if isinstance(static, (property, cached_property)) and is_ours(getter):
            yield f"    .{attribute}"
        elif isinstance(static, (str, int, float, tuple)):
            yield f"    .{attribute} = {static!r}"
    for method, function in methods_of(cls).items():
        yield from wrapped(f"    .{method}", function)


def wrapped(head: str, function: Any) -> Iterator[str]:
    """A signature on one line, or a line for each parameter where that is too long."""
    signature = inspect.signature(function)
    parts, kinds = [], set()
    for parameter in parameters_of(function):
        if parameter.kind is parameter.KEYWORD_ONLY and not kinds & {2, 3}:
            parts.append("*")
        kinds.add(parameter.kind.value)
        parts += [text_of_parameter(parameter), *options_of(function, parameter)]
    result = signature.return_annotation
    tail = ")" if result is signature.empty else f") -> {text_of_annotation(result)}"
    if inspect.isclass(function):
        tail = ")"
    line = f"{head}({', '.join(parts)}{tail}"
    if len(line) <= WIDTH:
        yield line
        return
    indent = " " * (len(head) - len(head.lstrip()) + 4)
    yield f"{head}("
    yield from (f"{indent}{part}," for part in parts)
    yield f"{indent[4:]}{tail}"


def text_of_parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}"
    if parameter.annotation is not parameter.empty:
        text += f": {text_of_annotation(parameter.annotation)}"
    if parameter.default is not parameter.empty:
        text += f" = {text_of_value(parameter.default)}"
    return text


def options_of(function: Any, parameter: inspect.Parameter) -> list[str]:
    """The keywords that a group of options stands for."""
    name = re.fullmatch(r"Unpack\[(\w+)\]", text_of_annotation(parameter.annotation))
    if name is None:
        return []
    function = inspect.unwrap(function.__init__ if inspect.isclass(function) else function)
    group = getattr(importlib.import_module(function.__module__), name[1])
    fields = {key: type_ for cls in lineage(group) for key, type_ in cls.__annotations__.items()}
    return [f"  {key}: {text_of_annotation(type_)}" for key, type_ in fields.items()]


def lineage(group: Any) -> list[Any]:
    """A typed dict and those that it extends, the first one first."""
    bases = getattr(group, "__orig_bases__", ())
    own = [base for base in bases if hasattr(base, "__total__")]
    return [ancestor for base in own for ancestor in lineage(base)] + [group]


def text_of_annotation(annotation: Any) -> str:
    """A type without the modules that its names are in."""
    if isinstance(annotation, ForwardRef):
        annotation = annotation.__forward_arg__
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    text = _ADDRESS.sub(r"<\2>", text)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=[A-Za-z_])", "", text)


def text_of_value(value: Any) -> str:
    if inspect.isroutine(value) or inspect.isclass(value):
        return value.__qualname__
    return _ADDRESS.sub(r"<\2>", repr(value))


def default(info: Any) -> str:
    if info.default_factory is not None:
        return " = (computed)"
    return "" if info.is_required() else f" = {text_of_value(info.default)}"


def lines_of_settings() -> Iterator[str]:
    """Every setting with its variable, type and default."""
    settings = wf_dagster.Settings
    prefix = settings.model_config["env_prefix"]
    for name, info in settings.model_fields.items():
        annotation = text_of_annotation(settings.__annotations__[name])
        yield f"{prefix}{name.upper()}  {name}: {annotation}{default(info)}"


def lines_of_commands() -> Iterator[str]:
    """Every command with its arguments and options."""

    def walk(path: str, command: Any) -> Iterator[str]:
        yield path
        for parameter in command.params:
            names = "/".join([*parameter.opts, *parameter.secondary_opts])
            names = names if names.startswith("-") else names.upper()
            many = " ..." if parameter.nargs == -1 or parameter.multiple else ""
            needed = " (required)" if parameter.required else ""
            default_text = "" if parameter.default in (None, False) else f" = {parameter.default!r}"
            yield f"    {names}{many}{default_text}{needed}"
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            yield from walk(f"{path} {name}", inner)

    yield from walk("wf-dagster", typer.main.get_command(app))


ROLLS = ("2020-02-01", "2020-03-01")
EVE, SESSION = "2020-03-26", "2020-03-27"


def lines_of_a_session() -> Iterator[str]:
    """What two rolls and a session of a sample strategy leave in Dagster and in MLflow.

    The settings' home folder has to be an empty one.
    """
    import dagster as dg
    from mlflow.tracking import MlflowClient

    from tests.surface_location import NAME, defs

    home = wf_dagster.get_settings().home
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    yield from (f"asset {key.to_user_string()}" for key in sorted(graph.get_all_asset_keys()))
    yield from sorted(
        f"check {key.asset_key.to_user_string()}: {key.name}" for key in graph.asset_check_keys
    )
    yield from sorted(f"job {name}" for name in repository.job_names if name[:2] != "__")
    yield from sorted(f"schedule {schedule.name}" for schedule in repository.schedule_defs)
    yield from sorted(f"sensor {sensor.name}" for sensor in repository.sensor_defs)

    (home / "replay_clock").write_text(EVE)
    job = defs.resolve_implicit_global_asset_job_def()
    parts = ["recorders", "predictions", "labels"]
    with dg.DagsterInstance.local_temp(os.environ["DAGSTER_HOME"]) as instance:
        done = job.execute_in_process(
            asset_selection=[dg.AssetKey([NAME, part]) for part in parts],
            tags={
                "dagster/asset_partition_range_start": ROLLS[0],
                "dagster/asset_partition_range_end": ROLLS[-1],
            },
            instance=instance,
        )
        assert done.success
        location = ["--module-name", "tests.surface_location"]
        with contextlib.redirect_stdout(sys.stderr):
            app(["replay", "--from", SESSION, "--sessions", "1", *location], standalone_mode=False)
        for key in sorted(instance.all_asset_keys()):
            records = instance.fetch_materializations(key, limit=100).records
            yield from entries(
                f"metadata of {key.to_user_string()}",
                (list(r.asset_materialization.metadata) for r in records),
            )
        yield from entries("tags of a run in Dagster", (run.tags for run in instance.get_runs()))
    client = MlflowClient(f"sqlite:///{home}/mlflow.db")
    kinds: dict[str, list[Any]] = {}
    for experiment in sorted(client.search_experiments(), key=lambda experiment: experiment.name):
        yield f"experiment {experiment.name}: tags {', '.join(sorted(experiment.tags)) or 'none'}"
        for run in client.search_runs([experiment.experiment_id]):
            kind = run.data.tags.get("wf_kind") or run.data.tags.get("mlflow.runName", "")
            kind = "roll" if "roll" in run.data.tags else kind
            kind = "Dagster run" if "dagster_job" in run.data.tags else kind
            kinds.setdefault(f"{experiment.name}: {kind}", []).append(run)
    for kind, runs in sorted(kinds.items()):
        yield from entries(f"tags of {kind}", (run.data.tags for run in runs))
        yield from entries(f"parameters of {kind}", (run.data.params for run in runs))
        yield from entries(f"metrics of {kind}", (run.data.metrics for run in runs))
        yield from entries(
            f"objects of {kind}",
            ([f.path for f in client.list_artifacts(r.info.run_id)] for r in runs),
        )


def entries(head: str, groups: Iterable[Iterable[str]]) -> Iterator[str]:
    """A heading and all keys of some mappings, sorted."""
    keys = {key for group in groups for key in group if not key.startswith("env.")}  # of a shell
    if keys:
        yield head
        yield from (f"    {key}" for key in sorted(keys))


def record() -> str:
    """The whole surface; the session is lived in a process and a home folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        variables = {k: v for k, v in os.environ.items() if not k.startswith("WF_")}
        variables |= {"WF_HOME": folder, "DAGSTER_HOME": f"{folder}/dagster", "WF_MAX_WORKERS": "1"}
        session = subprocess.run(
            [sys.executable, "-m", "tests.record_public_surface", "--session"],
            cwd=FILE.parents[1],
            env=variables | {"PYTHONWARNINGS": "ignore", "GIT_DIR": folder},
            capture_output=True,
            text=True,
        )
    assert session.returncode == 0, session.stderr[-5000:]
    sections = {
        "Settings": lines_of_settings(),
        "Commands": lines_of_commands(),
        "What a session leaves behind": session.stdout.splitlines(),
        "Names": lines_of_names(),
    }
    return "\n".join(f"# {head}\n\n" + "\n".join(lines) + "\n" for head, lines in sections.items())


if __name__ == "__main__":
    if "--session" in sys.argv:
        Path(os.environ["DAGSTER_HOME"]).mkdir()
        lines = list(lines_of_a_session())
        print("\n".join(lines))
    else:
        FILE.write_text(record())
