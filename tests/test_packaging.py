"""What is installed is what was meant: the wheel and the sdist hold every module, the grammar and the rules, and work elsewhere."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def python(*arguments: str, cwd: Path, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {"PYTHONUTF8": "1", "PYTHONPATH": str(path or ""), "HOME": str(cwd), "PATH": "/usr/bin:/bin"}
    return subprocess.run(
        [sys.executable, "-P", *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def build(target: str, folder: Path) -> Path:
    result = python("-m", "hatchling", "build", "-t", target, "-d", str(folder), cwd=ROOT)
    assert result.returncode == 0, result.stdout + result.stderr
    return next(path for path in folder.iterdir() if path.suffix in (".whl", ".gz"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build("wheel", tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Return a folder with only the wheel in it; its dependencies come from the environment of the tests."""
    site = tmp_path_factory.mktemp("site")
    result = python(
        "-m", "pip", "install", "--no-index", "--no-deps", "--no-compile", "--target", str(site), str(wheel), cwd=site
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return site


def wanted(folder: str, inside: str) -> set[str]:
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {f"{inside}/{path.relative_to(ROOT / folder).as_posix()}" for path in paths}


def test_the_wheel_holds_every_module_the_grammar_and_the_rules_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    grammar, rules = wanted("grammar", "mailrules/_shipped/grammar"), wanted("rules", "mailrules/_shipped/rules")
    assert "mailrules/_shipped/grammar/mailrules.lark" in grammar
    assert any(name.startswith("mailrules/_shipped/rules/notices/") for name in rules)
    assert names == wanted("mailrules", "mailrules") | grammar | rules


def test_the_sdist_holds_what_the_build_and_the_tests_need(tmp_path):
    archive = build("sdist", tmp_path)
    with tarfile.open(archive) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    needed = wanted("mailrules", "mailrules") | wanted("grammar", "grammar") | wanted("rules", "rules")
    needed |= {
        "pyproject.toml",
        "LICENSE",
        "run.py",
        "requirements.lock",
        "requirements-dev.lock",
        "tests/test_packaging.py",
    }
    assert needed - names == set()
    assert not [name for name in names if name.startswith((".venv", ".git/"))]


def test_the_installed_package_finds_its_grammar_and_rules_and_not_those_of_the_checkout(installed, tmp_path):
    program = "from mailrules import shipped as s; print(s.__file__); print(len(s.grammar_text()) > 0, *dict(s.shipped_rules()))"
    result = python("-c", program, cwd=tmp_path, path=installed)
    assert result.returncode == 0, result.stderr
    where, found = result.stdout.splitlines()
    assert Path(where).is_relative_to(installed)
    assert found.split() == [
        "True",
        *sorted(f"rules/notices/{path.name}" for path in (ROOT / "rules" / "notices").glob("*.rules")),
    ]


def test_the_installed_package_checks_rules_from_another_folder(installed, tmp_path):
    result = python("-m", "mailrules", "check", cwd=tmp_path, path=installed)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_wheel_brings_the_command_mailrules(installed):
    entry_points = next(installed.glob("mailrules-*.dist-info/entry_points.txt")).read_text(encoding="utf-8")
    assert "mailrules = mailrules.cli:main" in entry_points
