"""What a machine is given and what is taken away again: schedules, completion, uninstall."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mailrules.cli.output import width
from tests.terminal import Terminal

ROOT = Path(__file__).resolve().parent.parent
TOML = """\
rules = ["rules/*.rules"]
store = "state/mailrules.db"

[accounts.main]
host = "imap.shop.example"
user = "seller@shop.example"
password = { file = "secrets/main" }
receiver = { authserv_id = "mx.shop.example" }
"""


def run(folder: Path, *words: str, **more: str) -> tuple[int, str, str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith("MAILRULES_")}
    env = keep | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": "200"} | more
    done = subprocess.run(
        [sys.executable, "-m", "mailrules", *words], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    base = tmp_path / "my shop"
    for name in ("rules", "secrets", "state"):
        (base / name).mkdir(parents=True)
    (base / "mailrules.toml").write_text(TOML, encoding="utf-8")
    (base / "rules" / "mine.rules").write_text("# mine\n", encoding="utf-8")
    (base / "secrets" / "main").write_text("made up", encoding="utf-8")
    return base


def units(text: str, into: Path) -> list[Path]:
    """Put what is printed into the files that it names."""
    into.mkdir()
    files = []
    for found in re.finditer(r"^# /etc/systemd/system/(\S+)\n((?:(?!^# ).*\n)*)", text, re.MULTILINE):
        files.append(into / found[1])
        files[-1].write_text(found[2], encoding="utf-8")
    return files


@pytest.mark.parametrize("watch", [False, True])
def test_systemd_finds_nothing_wrong_with_the_units(folder: Path, tmp_path: Path, watch: bool) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed (Debian: apt install systemd)")
    code, out, err = run(folder, "schedule", "--systemd", *(["--watch"] if watch else []))
    assert code == 0, err
    files = units(out, tmp_path / "units")
    assert [f.name for f in files] == (["mailrules.service"] if watch else ["mailrules.service", "mailrules.timer"])
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, files)], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "mailrules" in line]
    assert ours == [], done.stderr
    assert done.returncode == 0, done.stderr
    service = files[0].read_text(encoding="utf-8")
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "PrivateTmp=yes", f'ReadWritePaths="{folder}"'):
        assert f"\n{line}\n" in service
    assert ("Type=notify" in service, "WatchdogSec=30min" in service) == (watch, watch)  # twice what a script may take


def test_a_systemd_credential_is_handed_to_the_service(folder: Path) -> None:
    text = TOML.replace('{ file = "secrets/main" }', '{ credential = "shop" }')
    (folder / "mailrules.toml").write_text(text, encoding="utf-8")
    assert "\nLoadCredential=shop:/etc/mailrules/shop\n" in run(folder, "schedule", "--systemd")[1]


def test_the_line_for_cron_starts_a_poll_of_this_folder_from_anywhere(folder: Path, tmp_path: Path) -> None:
    code, out, _ = run(folder, "schedule", "--cron", "--every", "7")
    assert code == 0
    minutes, command = out.strip().split(" * * * * ")
    assert minutes == "*/7"
    words = shlex.split(command.replace(r"\%", "%"))
    assert words[-3:] == ["poll", "--config", str(folder / "mailrules.toml")]
    assert Path(words[0]).is_absolute()


def test_the_task_of_windows_quotes_a_folder_with_a_blank(folder: Path) -> None:
    code, out, _ = run(folder, "schedule", "--windows")
    assert code == 0
    assert out.startswith("schtasks /Create /TN mailrules /SC MINUTE /MO 5 /TR ")
    assert rf"\"{folder / 'mailrules.toml'}\"" in out


@pytest.mark.parametrize("words", [("--cron", "--systemd"), ("--cron", "--watch"), ("--every", "0")])
def test_what_does_not_go_together_is_refused(folder: Path, words: tuple[str, ...]) -> None:
    assert run(folder, "schedule", *words)[0] == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_completes_commands(folder: Path, shell: str) -> None:
    code, out, _ = run(folder, _MAILRULES_COMPLETE=f"source_{shell}")
    assert code == 0
    assert "mailrules" in out
    asked = {"_MAILRULES_COMPLETE": f"complete_{shell}"}
    asked |= {"COMP_WORDS": "mailrules sch", "COMP_CWORD": "1", "_TYPER_COMPLETE_ARGS": "mailrules sch"}
    asked |= {"_TYPER_COMPLETE_WORD_TO_COMPLETE": "sch", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    assert "schedule" in run(folder, **asked)[1]


@pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
def test_the_completion_of_bash_is_a_script_that_bash_reads(folder: Path) -> None:
    script = run(folder, _MAILRULES_COMPLETE="source_bash")[1]
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("words", [("--help",), ("config",), ("authorizations",), ("poll", "--help")])
def test_no_color_reaches_a_pipe_or_a_terminal_that_wants_none(folder: Path, words: tuple[str, ...]) -> None:
    for more in ({"NO_COLOR": "1"}, {}):
        _, out, err = run(folder, *words, **more)
        assert "\x1b" not in out + err


@pytest.fixture
def known(folder: Path) -> Path:
    for name, number in (("株式会社ソルト", "111122223333"), ("Never Settle", "111122224444")):
        words = ("--account", "main", "--system", "amazon", "--developer", name, "--developer-id", number)
        code, _, err = run(folder, "authorizations", "add", *words, "--expires", "2030-01-01")
        assert code == 0, err
    return folder


def listed(folder: Path, columns: int, **more: str) -> str:
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "COLUMNS": str(columns), **more}
    with Terminal([sys.executable, "-m", "mailrules", "authorizations"], folder, env) as person:
        assert person.end() == 0, person.screen
        return person.screen


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_list_fits_the_terminal_and_japanese_stands_in_its_column(known: Path, columns: int) -> None:
    screen = listed(known, columns, TERM="xterm", NO_COLOR="1")
    assert "\x1b" not in screen
    lines = screen.splitlines()
    assert max(map(width, lines)) <= columns
    assert "株式会社ソルト" in screen
    if columns > 40:
        first, second = (next(line for line in lines if name in line) for name in ("株式会社ソルト", "Never Settle"))
        assert width(first[: first.index("2030-")]) == width(second[: second.index("2030-")])


def test_colours_are_for_terminals_that_have_them(known: Path) -> None:
    assert "\x1b[1m" in listed(known, 200, TERM="xterm")
    assert "\x1b" not in listed(known, 200, TERM="dumb")
    assert "\x1b" not in run(known, "authorizations", TERM="xterm")[1]


def test_uninstall_lists_everything_and_removes_it_only_when_asked_to(folder: Path) -> None:
    assert run(folder, "authorizations")[0] == 0  # makes the store
    (folder / "state" / "mailrules.db.2024.bak").write_text("an older one", encoding="utf-8")
    (folder / "state" / "tokens").mkdir()
    before = sorted(folder.rglob("*"))
    code, out, _ = run(folder, "uninstall")
    assert code == 0
    assert sorted(folder.rglob("*")) == before
    for name in ("mailrules.toml", "secrets/main", "state/mailrules.db", "state/mailrules.db.2024.bak", "state/tokens"):
        assert f"would be removed: {folder / name}\n" in out
    assert f"yours, kept: {folder / 'rules' / 'mine.rules'}\n" in out
    assert "crontab" in out
    assert "pipx uninstall mailrules" in out
    assert run(folder, "uninstall", "--yes")[0] == 0
    left = [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*")) if path.is_file()]
    assert left == ["rules/mine.rules"]
    assert not (folder / "state").exists()
    assert not (folder / "secrets").exists()


def test_a_secret_outside_its_folder_is_not_touched(folder: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.write_text("made up", encoding="utf-8")
    text = TOML.replace('"secrets/main"', f'"{shared}"')
    (folder / "mailrules.toml").write_text(text, encoding="utf-8")
    assert run(folder, "uninstall", "--yes")[0] == 0
    assert shared.exists()


def test_the_units_are_of_a_form_that_other_programs_read(folder: Path, tmp_path: Path) -> None:
    for file in units(run(folder, "schedule", "--systemd")[1], tmp_path / "units"):
        read = configparser.ConfigParser(strict=False, interpolation=None)
        read.optionxform = str  # type: ignore[assignment]
        read.read(file, encoding="utf-8")
        assert read.sections()
