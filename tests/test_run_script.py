"""The pure helpers of run.py."""

import sys
from pathlib import Path

import run


def make_checkout(folder: Path) -> Path:
    for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock"):
        (folder / name).write_text(name, encoding="utf-8")
    return folder


def test_an_old_python_is_refused_in_one_sentence_that_names_it():
    assert version_sentence((3, 10, 13)) == (
        "mailrules needs Python 3.11 or newer; this is 3.10. Try: python3.11 run.py"
    )


def version_sentence(version: tuple[int, ...]) -> str:
    return run.version_problem(version)


def test_supported_pythons_are_accepted():
    assert [version_sentence(version) for version in ((3, 11), (3, 12, 1), (3, 14), (4, 0))] == [""] * 4


def test_the_stamp_changes_with_the_project_file_the_lock_and_the_python(tmp_path):
    root = make_checkout(tmp_path)
    stamps = {run.stamp(str(root), "dev", "3.11"), run.stamp(str(root), "dev", "3.12")}
    for name in ("pyproject.toml", "requirements-dev.lock"):
        (root / name).write_text("changed", encoding="utf-8")
        stamps.add(run.stamp(str(root), "dev", "3.11"))
    assert len(stamps) == 4


def test_the_runtime_stamp_does_not_look_at_the_developers_lock(tmp_path):
    root = make_checkout(tmp_path)
    before = run.stamp(str(root), "runtime")
    (root / "requirements-dev.lock").write_text("changed", encoding="utf-8")
    assert run.stamp(str(root), "runtime") == before


def test_a_half_made_environment_is_not_fresh_and_a_finished_one_is(tmp_path):
    root, venv = make_checkout(tmp_path), tmp_path / "venv"
    venv.mkdir()
    assert not run.is_fresh("runtime", str(root), str(venv), sys.executable)
    (venv / "stamp-runtime").write_text(run.stamp(str(root), "runtime"), encoding="ascii")
    assert run.is_fresh("runtime", str(root), str(venv), sys.executable)
    assert not run.is_fresh("dev", str(root), str(venv), sys.executable)


def test_an_environment_whose_python_is_gone_is_not_fresh(tmp_path):
    root = make_checkout(tmp_path)
    (tmp_path / "stamp-runtime").write_text(run.stamp(str(root), "runtime"), encoding="ascii")
    assert not run.is_fresh("runtime", str(root), str(tmp_path), str(tmp_path / "python"))
