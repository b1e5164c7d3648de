"""What is wrong in a ``defs.yaml`` is said with its line, by Dagster's check and when it loads."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from tests.orchestration.component.strategies import strategy
from wf_dagster import RollingStrategyComponent


def line_of(text: str, part: str) -> int:
    return next(i for i, line in enumerate(text.splitlines(), 1) if part in line)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("step: month", "stepp: month", "Extra inputs are not permitted"),
        ("step: month", "step: fortnight", "Input should be"),
        ("trunc_days: 7", "trunc_days: seven", "Input should be a valid integer"),
        ("trunc_days: 7", "trunc_days: -1", "trunc_days"),
        ("trunc_days: 7", "trunc_days: '{{ 7 / 2 }}'", "valid integer, got a number with"),
        (
            "trunc_days: 7",
            "trunc_days: '{{ env.NOT_SET }}'",
            "env.NOT_SET }} stands for nothing",
        ),
        ("rtype: expanding", "rtype: rolling", "Input should be 'expanding' or 'sliding'"),
        (
            "rtype: expanding",
            "rtype: '{{ unknown_word }}'",
            "'unknown_word' not found in",
        ),
        ("name: momentum", "name: my-momentum", "strategy name 'my-momentum'"),
        ("prices: sample", "prices: sample\n      calendar: 7", "calendar is a int"),
        ("prices: sample", "price: sample", "Extra inputs are not permitted"),
        ("class: SklearnModel", "clas: SklearnModel", "Extra inputs are not permitted"),
        ("- '2019-12-31'", "- '2019-13-31'", "'2019-13-31' is no date"),
        ("- '2019-12-31'", "- '2020-12-31'", "must follow one another without overlap"),
        ("- '2020-01-02'", "- '2040-01-02'", "starts 2040-01-02, after its end 2020-06-30"),
        ("horizon: 5", "horizon: 5\n            instruments: [000001]", "write codes in quotes"),
    ],
)
def test_an_error_shows_its_line(project, old, new, message):
    file = project.write_strategies(strategy())
    text = file.read_text()
    assert text.count(old) == 1
    file.write_text(text.replace(old, new))
    complaint = project.complaint()
    assert message in complaint
    near = {"must follow": "train:", "after its end": "test:", "is no date": "train:"}
    part = next((v for k, v in near.items() if k in message), new.split("\n")[-1].strip())
    assert f"{file}:{line_of(file.read_text(), part)}" in complaint


def test_an_error_of_an_analysis_shows_its_line(project):
    analysis = {"class": "SigAnaRecord", "module_path": "wf_dagster.records"}
    file = project.write_strategies(
        strategy(analyses=[analysis, {**analysis, "kwargs": {"quantil": 0.1}}])
    )
    complaint = project.complaint()
    assert "analyses.1.kwargs.quantil: SigAnaRecord takes no 'quantil'" in complaint
    assert f"{file}:{line_of(file.read_text(), 'quantil:')}" in complaint
    file.write_text(file.read_text().replace("quantil:", "quantile:"))
    assert "momentum/analyses" in project.asset_names()
    (spec,) = project.strategies()
    assert spec.analyses[1] == {**analysis, "kwargs": {"quantile": 0.1}}


def test_a_strategy_has_one_task(project):
    written = strategy()
    del written["template"]
    file = project.write_strategies(written)
    complaint = project.complaint()
    assert "has a template (its task) or from_workflow" in complaint
    assert f"{file}:{line_of(file.read_text(), 'name: momentum')}" in complaint
    project.write_strategies(strategy(from_workflow="workflow.yaml"))
    assert "write one of them" in project.complaint()


def test_a_template_variable_that_gives_no_strategies(project):
    (project.defs / "momentum").mkdir()
    (project.defs / "momentum" / "own.py").write_text(
        "import dagster as dg\n\n@dg.template_var\ndef nothing():\n    return 3\n"
    )
    project.write(
        "type: wf_dagster.RollingStrategyComponent\ntemplate_vars_module: .own\n"
        "attributes:\n  strategies: '{{ nothing }}'\n"
    )
    assert "write a list of strategies, not 3" in project.complaint()


def errors(change):
    written = {"strategies": [strategy()]}
    change(written["strategies"][0])
    schema = RollingStrategyComponent.get_model_cls().model_json_schema()
    found = jsonschema.Draft202012Validator(schema).iter_errors(written)
    return [".".join(map(str, error.absolute_path)) for error in found]


def test_the_schema_that_editors_use_names_the_place():
    assert errors(lambda s: None) == []
    assert errors(lambda s: s["generator"].update(step="fortnight")) == [
        "strategies.0.generator.step"
    ]
    assert errors(lambda s: s["generator"].update(stepp=1)) == ["strategies.0.generator"]
    assert errors(lambda s: s["template"].pop("model")) == ["strategies.0.template"]
    assert errors(lambda s: s["template"]["model"].update(args={})) == [
        "strategies.0.template.model"
    ]
    assert errors(lambda s: s.update(generator="{{ ours }}", template="{{ task }}")) == []
    assert errors(lambda s: s.update(generator="ours")) == ["strategies.0.generator"]
    assert errors(lambda s: s["template"].update(model="package.Model")) == []
    assert errors(lambda s: s.pop("name")) == ["strategies.0"]


def test_the_schema_can_be_written_down():
    schema = RollingStrategyComponent.get_model_cls().model_json_schema()
    assert yaml.safe_load(yaml.safe_dump(schema)) == schema
