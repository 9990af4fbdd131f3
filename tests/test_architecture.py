"""The house keeps its shape: layers, module size, module headers, and nothing of this machine in the repository."""

import ast
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import pause

ROOT = Path(__file__).resolve().parents[1]
MODULES = sorted((ROOT / "mailrules").rglob("*.py"))
HOSTS = ("pypi" + ".org/", "files.pythonhosted" + ".org", "index" + "-url =", "registry.npmjs" + ".org")
MACHINE = re.compile(r"(?<![\w.~-])/(?:work|tmp/v|root)/")


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    program = "import importlinter.cli as c; c.lint_imports_command()"
    command = [sys.executable, "-c", program, "--no-cache"]
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_the_package(folder: Path) -> Path:
    shutil.copytree(ROOT / "mailrules", folder / "mailrules", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def repository_files() -> list[Path]:
    """Return what git tracks or would add; in an unpacked sdist, which has no git, everything that it ships."""
    if (ROOT / ".git").exists():
        listed = subprocess.run(
            ["git", "ls-files", "-z", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True
        )
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not {".venv", "__pycache__"} & set(path.parts)]


def test_the_import_contracts_hold():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("effects.py", "import mailrules.pipeline", "Nobody imports backwards"),
        ("unplaced.py", '"""A module that was given no place."""', "Nobody imports backwards"),
        ("ledger/fold.py", "import socket", "The pure part"),
        ("effects.py", "import lark", "One third-party library"),
    ],
)
def test_a_violation_of_a_contract_is_caught(tmp_path, module, line, contract):
    folder = copy_of_the_package(tmp_path)
    with (folder / "mailrules" / module).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    result = lint_imports(folder)
    assert result.returncode == 1, result.stdout + result.stderr
    broken = [line for line in result.stdout.splitlines() if "BROKEN" in line]
    assert len(broken) == 1
    assert broken[0].startswith(contract)


def test_there_are_modules_to_look_at():
    assert len(MODULES) > 20


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_module_is_small_and_opens_with_what_it_is_for(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)), "no module docstring"


def test_nothing_in_the_repository_names_a_registry_or_a_path_of_one_machine():
    files = repository_files()
    assert len(files) > 20
    found = []
    for path in files:
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{path.relative_to(ROOT)}: {host}" for host in HOSTS if host in text]
        found += [f"{path.relative_to(ROOT)}: {hit.group()}" for hit in MACHINE.finditer(text)]
    assert found == []


def test_no_pattern_repeats_a_group_possessively() -> None:
    """Python before 3.11.5 (Debian 12 has 3.11.2) matches `(?:…)*+` wrongly; `(?>(?:…)*)` means the same everywhere."""
    files = [*(ROOT / "mailrules").rglob("*.py"), ROOT / "grammar" / "mailrules.lark"]
    lines = [
        f"{path.name}: {line.strip()}"
        for path in files
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"\)(?:[*?+]|\{[0-9,]+\})\+(?!=)", line.partition("# why")[0])
    ]
    assert lines == []


def test_no_test_takes_the_present_day_when_it_is_imported() -> None:
    """Tests are imported minutes before the last of them runs: over midnight, `today` would be yesterday by then."""
    found = []
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for statement in ast.parse(path.read_text(encoding="utf-8")).body:
            if not isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
                calls = (n.func for n in ast.walk(statement) if isinstance(n, ast.Call))
                named = [f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls]
                found += [f"{path.name}:{statement.lineno}" for name in named if name in ("now", "today", "utcnow")]
    assert found == []


def test_a_test_that_would_see_midnight_waits_for_it() -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    assert [pause(midnight - timedelta(seconds=left)) for left in (3600, 31, 12.5, 0)] == [0, 0, 12.5, 0]
