"""Who owns an experiment, and who may go on with it."""

import pytest
from typer.testing import CliRunner

from wf_dagster.cli import app
from wf_dagster.errors import OwnerError
from wf_dagster.tracking import MLflowExpManager, Owner, claim_experiment, read_owner

NAME = "signals"
REMEDY = "Give this asset a key of its own"


def claim(owner, **options):
    claim_experiment(NAME, "signals", owner, remedy=REMEDY, **options)


def test_the_first_that_writes_owns_the_experiment_and_another_location_is_refused():
    claim(Owner.of("signals", "desk", "desk.defs", "/code/desk/defs.py"))
    with pytest.raises(OwnerError) as refused:
        claim(Owner.of("signals", "lab", "lab.defs", "/code/lab/defs.py"))
    text = str(refused.value)
    assert "holds the signals of 'signals' of code location 'desk', module desk.defs" in text
    assert "this is 'signals' of code location 'lab'" in text
    assert "nothing was changed. Give this asset a key of its own" in text
    assert "wf-dagster owner 'signals' --release" in text
    assert read_owner(NAME, "signals").location == "desk"


def test_another_asset_of_the_same_location_is_refused():
    claim(Owner.of("fund/signals", "desk"))
    with pytest.raises(OwnerError, match="'fund/signals' of code location 'desk'"):
        claim(Owner.of("etf/signals", "desk"), is_gone=lambda part: False)


def test_strategies_and_signals_of_one_experiment_have_owners_of_their_own():
    claim_experiment(NAME, "strategy", Owner.of("signals", "lab"), remedy="")
    claim(Owner.of("signals", "desk"))
    assert read_owner(NAME, "strategy").location == "lab"


@pytest.mark.parametrize(
    "again",
    [
        Owner.of("signals", "desk", "other.module", "/elsewhere/defs.py"),  # a location that moved
        Owner.of("signals", "", "desk.defs", "/releases/2/desk/defs.py"),  # another checkout
        Owner.of("signals", "defs.py", "", "/code/desk/defs.py"),  # dagster dev -f
        Owner.of("signals", "", "", "/code/desk/defs.py"),  # dagster asset materialize -f
        Owner.of("signals"),  # materialize() in a script or a notebook
    ],
    ids=["location", "module", "file", "command line", "script"],
)
def test_the_same_code_goes_on_however_it_is_launched(again):
    claim(Owner.of("signals", "desk", "desk.defs", "/code/desk/defs.py"))
    claim(again)
    noted = read_owner(NAME, "signals")  # what the command line does not know stays known
    assert noted.location == (again.location or "desk")
    assert noted.module == (again.module or "desk.defs")
    assert noted.file == (again.file or "/code/desk/defs.py")
    claim(Owner.of("signals", "desk", "desk.defs", "/code/desk/defs.py"))


def test_a_name_that_many_files_have_counts_unless_both_files_are_there(tmp_path):
    files = [tmp_path / name / "definitions.py" for name in ("one", "two")]
    for file in files:
        file.parent.mkdir()
        file.touch()
    owners = [Owner.of("signals", "definitions.py", "", str(file)) for file in files]
    claim(owners[0])
    with pytest.raises(OwnerError, match="definitions"):
        claim(owners[1])
    files[0].unlink()  # the folder was moved
    claim(owners[1])
    assert read_owner(NAME, "signals").file == str(files[1])


def test_a_script_that_came_first_is_followed_by_a_code_location():
    claim(Owner.of("signals"))
    claim(Owner.of("signals", "desk"))
    with pytest.raises(OwnerError, match="desk"):
        claim(Owner.of("signals", "lab"))


def test_a_part_that_was_renamed_goes_on_once_the_old_name_is_gone(caplog):
    claim(Owner.of("signals", "desk"))
    claim(Owner.of("fund/signals", "desk"), is_gone=lambda part: part == "signals")
    assert read_owner(NAME, "signals").part == "fund/signals"
    assert "'signals', which is not defined any more, goes on as 'fund/signals'" in caplog.text
    with pytest.raises(OwnerError, match="fund/signals"):  # gone from here says nothing of there
        claim(Owner.of("signals", "lab"), is_gone=lambda part: True)


def test_an_experiment_is_shown_and_released_by_a_command():
    claim(Owner.of("signals", "desk"))
    run = CliRunner().invoke
    shown = run(app, ["owner", NAME])
    assert (shown.exit_code, shown.output.startswith("signals: 'signals' of code loc")) == (0, True)
    assert "(released)" in run(app, ["owner", NAME, "--release"]).output
    assert read_owner(NAME, "signals") is None
    assert "nobody owns 'signals'" in run(app, ["owner", NAME]).output
    claim(Owner.of("signals", "lab"))
    assert read_owner(NAME, "signals").location == "lab"
    missing = run(app, ["owner", "nothing"])
    assert missing.exit_code != 0
    assert "there is no experiment called 'nothing'" in missing.output
    assert "nothing" not in MLflowExpManager().list_experiments()
