"""Signatures are kept as long as the files are the same, and read without importing anything."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wf_dagster.errors import TaskError
from wf_dagster.tasks.signature_book import SignatureBook, find_module_file
from wf_dagster.tasks.signature_process import ask_process
from wf_dagster.tasks.signatures import Signature, import_signature

RIDGE = "sklearn.linear_model.Ridge"
# without pandas: what is not known yet is asked of another process
_LIGHT = """
import json, sys
from pathlib import Path
for name in [name for name in sys.modules if name.partition(".")[0] in ("pandas", "sklearn")]:
    del sys.modules[name]
from wf_dagster.tasks.signature_book import SignatureBook
found = SignatureBook(Path(sys.argv[1])).look_up(sys.argv[2:])
print(json.dumps([
    {path: getattr(signature, "keywords", str(signature)) for path, signature in found.items()},
    "sklearn" in sys.modules,
]))
"""


def ask_light(
    folder: Path, *paths: str, path: Path | None = None
) -> tuple[dict[str, object], bool]:
    """What a light process finds, and whether it has imported scikit-learn."""
    environment = {**os.environ, **({} if path is None else {"PYTHONPATH": str(path)})}
    command = [sys.executable, "-c", _LIGHT, str(folder), *paths]
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found, has_imported = json.loads(result.stdout.splitlines()[-1])
    return found, has_imported


def test_a_light_process_imports_nothing_and_keeps_what_it_was_told(tmp_path: Path) -> None:
    first, has_imported = ask_light(tmp_path, RIDGE)
    assert not has_imported
    assert str(first[RIDGE]).startswith("['alpha', 'fit_intercept'")
    kept = json.loads((tmp_path / "signatures.json").read_text())["signatures"]
    assert list(kept) == [RIDGE]
    # told something else by the file, it believes it: nothing was asked again
    kept[RIDGE]["parameters"] = []
    content = json.loads((tmp_path / "signatures.json").read_text())
    (tmp_path / "signatures.json").write_text(json.dumps({**content, "signatures": kept}))
    assert ask_light(tmp_path, RIDGE) == ({RIDGE: []}, False)


def test_a_changed_file_is_read_again_and_a_mistake_is_never_kept(tmp_path: Path) -> None:
    code, home = tmp_path / "code", tmp_path / "home"
    code.mkdir()
    (code / "own_features.py").write_text("def fast(prices, window=5): ...\n")
    paths = ("own_features.fast", "own_features.slow")
    found, _ = ask_light(home, *paths, path=code)
    assert found["own_features.fast"] == ["prices", "window"]
    assert "module 'own_features' has no 'slow'" in str(found["own_features.slow"])
    (code / "own_features.py").write_text(
        "def fast(prices, length=5): ...\n\ndef slow(prices): ...\n"
    )
    found, _ = ask_light(home, *paths, path=code)
    assert found == {"own_features.fast": ["prices", "length"], "own_features.slow": ["prices"]}
    (code / "own_features.py").unlink()
    found, _ = ask_light(home, *paths, path=code)
    assert "module 'own_features' cannot be imported" in str(found["own_features.fast"])


def test_a_home_that_cannot_be_written_is_asked_every_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found, _ = ask_light(tmp_path / "file" / "cache", RIDGE)
    assert RIDGE in found


def test_a_damaged_file_of_signatures_is_read_anew(tmp_path: Path) -> None:
    (tmp_path / "signatures.json").write_text("[1, 2")
    found = SignatureBook(tmp_path).look_up([RIDGE])[RIDGE]
    assert isinstance(found, Signature)


def test_the_module_that_is_asked_may_define_assets_itself(tmp_path: Path) -> None:
    """Its import asks for signatures again, in a process that asks no further one."""
    code = tmp_path / "code"
    code.mkdir()
    (code / "location.py").write_text(
        "from pathlib import Path\n"
        "from wf_dagster.tasks.signature_book import SignatureBook\n"
        f"found = SignatureBook(Path({str(tmp_path / 'inner')!r})).look_up(\n"
        f"    [{RIDGE!r}, 'location.features'])\n"
        "assert found['location.features'] is None, found  # it comes further below\n"
        "def features(prices, days=3): ...\n"
    )
    found, _ = ask_light(tmp_path / "outer", "location.features", path=code)
    assert found == {"location.features": ["prices", "days"]}


def test_circular_imports_are_no_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "first_half.py").write_text(
        "from wf_dagster.tasks.signature_book import SignatureBook\n"
        "found = SignatureBook().look_up(['second_half.features'])\n"
        "WINDOW = 5\n"
    )
    (tmp_path / "second_half.py").write_text(
        "from first_half import WINDOW\ndef features(prices): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    import first_half  # type: ignore[import-not-found]

    assert first_half.found == {"second_half.features": None}


def test_the_file_of_a_module_is_found_without_importing_it() -> None:
    import sklearn.linear_model

    assert find_module_file("sklearn.linear_model") == sklearn.linear_model.__file__
    assert find_module_file("sklearn.nothing") is None
    assert find_module_file("nothing.at.all") is None


def test_a_signature_survives_json_and_what_is_no_path_is_refused() -> None:
    signature = import_signature("wf_dagster.data.labels.forward_return")
    assert Signature.of_plain(json.loads(json.dumps(signature.to_plain()))) == signature
    assert signature.default("horizon") == 5
    assert signature.missing(["horizon"]) == ["prices"]
    assert signature.missing([], positional=1) == []
    with pytest.raises(TaskError, match="has no 'backward_return'"):
        import_signature("wf_dagster.data.labels.backward_return")
    assert ask_process(["wf_dagster.data.labels.backward_return"]) == {}
