"""Scripts that misbehave, and places where somebody else could have put one: real processes, real files."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mailrules.actions import perform, run_script
from mailrules.actions.limits import LIMITS
from mailrules.actions.ownership import unsafe
from mailrules.actions.processes import descendants
from mailrules.effects import Outcome
from mailrules.world import shaped_code
from tests.test_actions import NOW, claim, services

posix_root = pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="gives files away, which only root may")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc and a subreaper")


PYTHON = Path(sys.executable).resolve()  # a #! line cannot hold the spaces that a folder of an environment may have


def script(folder: Path, text: str, *more: str, shebang: str = "/bin/sh", **args: Any) -> Outcome:
    path = folder / "script"
    path.write_text(f"#!{shebang}\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    return run(path, *more, **args)


def run(path: Path, *more: str, **args: Any) -> Outcome:
    whole = {"argv": [str(path), *more], "timeout": 5, "retry": "never", **args}
    return perform([claim("run_script", **whole)], services(), NOW)


# --- where it stands --------------------------------------------------------------------------------------------


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "a" / "b" / "program"
    path.parent.mkdir(parents=True)
    path.write_text("#!/bin/sh\necho ran\n", encoding="utf-8")
    for place in (path, path.parent, path.parent.parent):
        place.chmod(0o755)
    return path


def test_a_program_of_ours_in_folders_of_ours_is_run(program: Path) -> None:
    assert unsafe(program) == ""
    assert run(program).output == "ran\n"


@pytest.mark.parametrize("up", [0, 1, 2])
def test_a_file_or_any_folder_above_it_that_everybody_may_write_is_refused_by_name(program: Path, up: int) -> None:
    place = [program, *program.parents][up]
    place.chmod(0o757)
    outcome = run(program)
    assert (outcome.result, outcome.output) == ("failed", "")
    assert f"others may write to {place}" in outcome.why
    assert f"chmod go-w {place}" in outcome.why


def test_a_sticky_folder_such_as_tmp_is_no_danger_to_what_is_ours(program: Path) -> None:
    program.parent.parent.chmod(0o1777)
    assert run(program).result == "done"


@posix_root
@pytest.mark.parametrize("up", [0, 1, 2])
def test_what_belongs_to_somebody_else_is_refused_also_in_a_sticky_folder(program: Path, up: int) -> None:
    program.parent.parent.parent.chmod(0o1777)
    place = [program, *program.parents][up]
    os.chown(place, 65534, -1)
    outcome = run(program)
    assert (outcome.result, outcome.output) == ("failed", "")
    assert f"{place} belongs to somebody else" in outcome.why


@posix_root
def test_a_group_that_is_not_the_owners_alone_may_not_write(program: Path) -> None:
    os.chown(program, 0, 65534)
    program.chmod(0o775)
    assert "others may write" in run(program).why


def test_the_target_of_a_link_and_the_folder_of_the_link_are_both_looked_at(program: Path, tmp_path: Path) -> None:
    near, far = tmp_path / "near", tmp_path / "far"
    for folder in (near, far):
        folder.mkdir(mode=0o755)
    (near / "link").symlink_to(program)
    (far / "again").symlink_to(Path("..") / "near" / "link")
    assert run(far / "again").output == "ran\n"
    near.chmod(0o757)
    assert f"others may write to {near}" in run(far / "again").why
    near.chmod(0o755)
    program.parent.chmod(0o757)
    assert f"others may write to {program.parent}" in run(far / "again").why


def test_links_in_a_ring_and_links_to_nowhere_are_sentences(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    for name in ("one", "gone"):
        assert "was not found" in run(tmp_path / name).why


def test_the_file_that_an_interpreter_runs_is_looked_at_too(program: Path) -> None:
    file = program.with_name("text.py")
    file.write_text("print('ran')\n", encoding="utf-8")
    assert run(Path(sys.executable), "-I", str(file)).output == "ran\n"
    file.chmod(0o666)
    assert f"others may write to {file}" in run(Path(sys.executable), "-I", str(file)).why
    assert run(Path(sys.executable), "-c", "print('ran')" + " " * 5000).output == "ran\n"


def test_what_a_program_starts_that_does_nothing_else_is_looked_at_too(program: Path) -> None:
    file = program.with_name("text.py")
    file.write_text("print('ran')\n", encoding="utf-8")
    inner = program.with_name("inner")
    inner.write_text("#!/bin/sh\necho ran\n", encoding="utf-8")
    inner.chmod(0o700)
    ways = [
        ("env", "A=b", sys.executable, "-I", str(file)),
        ("nice", "-n", "1", "env", sys.executable, str(file)),
        ("timeout", "5", str(inner)),
    ]
    for name, *words in ways:
        starter = Path(shutil.which(name) or "")
        assert run(starter, *words).output == "ran\n"
        changed = Path(words[-1])
        before = changed.stat().st_mode
        changed.chmod(0o707)
        assert f"others may write to {changed}" in run(starter, *words).why
        changed.chmod(before)


@pytest.mark.parametrize(
    "argv",
    [
        ["{{ developer }}"], ["/usr/bin/env", "{{ developer }}"], ["/usr/bin/python3", "-I", "{{ developer }}"], ["env", "A=b", "-i", "nice", "-n", "5", "{{ developer }}"],
        ["/bin/sh", "-c", "echo {{ developer }}"], ["bash", "-ec", "x {{ developer }}"], ["timeout", "5", "bash", "-c", "{{ developer }}"],
        ["python3", "-c", "print('{{ developer }}')"], ["perl", "-e", "{{ developer }}"], ["node", "--eval", "{{ developer }}"],
    ],
)  # fmt: skip
def test_no_value_of_a_mail_is_the_program_or_its_code(argv: list[str]) -> None:
    assert shaped_code(argv) == argv[-1]


@pytest.mark.parametrize(
    "argv",
    [
        ["/opt/renew", "{{ developer }}", "-c", "{{ expires }}"], ["/bin/sh", "-c", 'echo "$1"', "sh", "{{ developer }}"],
        ["env", "python3", "/opt/renew.py", "{{ developer }}"], ["python3", "-I", "/opt/renew.py", "--name={{ developer }}"],
    ],
)  # fmt: skip
def test_a_value_of_a_mail_may_be_an_argument(argv: list[str]) -> None:
    assert shaped_code(argv) == ""


def test_what_cannot_be_started_is_a_sentence(program: Path) -> None:
    program.chmod(0o600)
    assert "is not executable" in run(program).why
    program.chmod(0o700)
    program.write_text("#!/no/such/program\n", encoding="utf-8")
    assert "could not be started" in run(program).why
    assert "is no file" in run(program.parent).why


# --- what it is given -------------------------------------------------------------------------------------------


def test_nothing_but_the_documented_variables_is_in_the_environment(tmp_path: Path, monkeypatch: Any) -> None:
    for name in ("PYTHONPATH", "LD_PRELOAD", "MAILRULES_CONFIG", "MAILRULES_PASSWORD", "IFS", "BASH_ENV"):
        monkeypatch.setenv(name, "hush")
    program = "import json, os; print(json.dumps(dict(os.environ)))"
    found = json.loads(script(tmp_path, program, shebang=f"{PYTHON} -I").output)
    assert set(found) <= {"PATH", "HOME", "LANG", "TZ", "LC_CTYPE", "MAILRULES_EFFECT_KEY", "MAILRULES_ATTEMPT"}


def test_it_runs_in_an_empty_private_folder_that_is_gone_afterwards(tmp_path: Path) -> None:
    out = script(tmp_path, 'pwd; ls -A; stat -c %a .; rm -rf "$PWD"').output.splitlines()
    assert out[1:] == ["700"]
    assert not Path(out[0]).exists()


def test_no_file_of_ours_stays_open_in_it(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w+b") as held:
        os.set_inheritable(held.fileno(), True)
        program = "import os\nfor n in range(3, 256):\n    try: os.fstat(n); print(n)\n    except OSError: pass"
        assert script(tmp_path, program, shebang=f"{PYTHON} -I").output == ""


@linux
def test_every_limit_is_in_force_and_cannot_be_raised(tmp_path: Path) -> None:
    names = [limit.name for limit in LIMITS] + ["RLIMIT_CPU"]
    program = (
        "import json, resource, time\ntime.sleep(0.2)\n"
        f"print(json.dumps({{n: resource.getrlimit(getattr(resource, n)) for n in {names!r}}}))"
    )
    found = json.loads(script(tmp_path, program, shebang=f"{PYTHON} -I").output)
    for limit in LIMITS:
        assert found[limit.name][0] == found[limit.name][1] <= limit.most, limit.name
    assert found["RLIMIT_CPU"] == [20, 25]
    assert LIMITS


@linux
def test_our_own_limits_are_what_they_were(tmp_path: Path) -> None:
    import resource

    before = [resource.getrlimit(getattr(resource, limit.name)) for limit in LIMITS]
    script(tmp_path, "true")
    run(tmp_path / "missing")
    assert [resource.getrlimit(getattr(resource, limit.name)) for limit in LIMITS] == before


@linux
@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("x = bytearray(8 << 30)", "MemoryError"),
        ("f = [open('/dev/null') for _ in range(10000)]", "Too many open files"),
        ("f = open('big', 'wb'); f.truncate(2 << 30)", "File too large"),
    ],
)
def test_a_script_that_eats_the_machine_is_stopped_by_a_limit(tmp_path: Path, program: str, told: str) -> None:
    outcome = script(
        tmp_path,
        f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n{program}",
        shebang=f"{PYTHON} -I",
    )
    assert outcome.result == "failed"
    assert told in outcome.output


# --- how it ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("kill -SEGV $$", "signal SIGSEGV"),
        ("kill -KILL $$", "signal SIGKILL"),
        ("exit 77", "exit code 77"),
        ("exit 255", "exit code 255"),
        ("exit 75", "only where its `retry`"),
    ],
)
def test_what_ended_it_is_named(tmp_path: Path, text: str, why: str) -> None:
    outcome = script(tmp_path, text)
    assert (outcome.result, why in outcome.why) == ("failed", True), outcome.why


def test_a_script_is_asked_to_end_before_it_is_killed(tmp_path: Path) -> None:
    outcome = script(tmp_path, "trap 'echo cleaned; exit 0' TERM\nsleep 60 &\nwait", timeout=0.5)
    assert (outcome.result, outcome.code, outcome.output) == ("failed", None, "cleaned\n")


def test_a_script_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sys.modules["mailrules.actions.run_script"], "GRACE", 0.3)
    start = time.monotonic()
    outcome = script(tmp_path, "trap '' TERM\nwhile :; do sleep 1; done", timeout=0.3)
    assert "stopped after 0.3 seconds" in outcome.why
    assert time.monotonic() - start < 4


@linux
@pytest.mark.parametrize(
    "text",
    [
        "sleep 60 &",
        "setsid sleep 60 &",
        "(setsid setsid sleep 60 &) &",
        "(trap '' TERM HUP; setsid sh -c \"trap '' TERM HUP; sleep 60\" &) &",
        "for i in $(seq 200); do setsid sleep 60 & done",
        "exec 1>&- 2>&-; setsid sleep 60 &",
    ],
)
def test_nothing_that_it_started_is_left_when_it_has_ended(tmp_path: Path, text: str) -> None:
    before = descendants(os.getpid())
    outcome = script(tmp_path, text)
    assert outcome.result == "done", outcome
    assert descendants(os.getpid()) - before == set()


@linux
def test_a_daemon_that_forks_twice_in_its_own_session_is_ended(tmp_path: Path) -> None:
    program = (
        "import os, time\n"
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        "        open('/proc/self/comm', 'w').write('harmless'); os.close(0); os.close(1); os.close(2); time.sleep(60)\n    os._exit(0)\n"
        "time.sleep(0.2)"
    )
    before = descendants(os.getpid())
    assert script(tmp_path, program, shebang=f"{PYTHON} -I").result == "done"
    assert descendants(os.getpid()) - before == set()


@linux
def test_we_are_no_subreaper_afterwards(tmp_path: Path) -> None:
    script(tmp_path, "true")
    flag = ctypes.c_int(-1)
    ctypes.CDLL(None).prctl(37, ctypes.byref(flag), 0, 0, 0)
    assert flag.value == 0


def test_a_flood_is_read_to_its_end_and_kept_in_part(tmp_path: Path) -> None:
    outcome = script(tmp_path, "echo first; head -c 100000000 /dev/zero; echo; echo last", timeout=30)
    assert outcome.result == "done"
    assert outcome.output.startswith("first\n")
    assert outcome.output.endswith("\nlast\n")
    assert "bytes left out" in outcome.output
    assert len(outcome.output) < 70_000


def test_bytes_that_are_no_text_are_kept_as_text(tmp_path: Path) -> None:
    assert script(tmp_path, r"printf '\377\376ok\303'").output == "\ufffd\ufffdok\ufffd"


def test_a_system_without_processes_like_ours_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    module = sys.modules["mailrules.actions.run_script"]
    made = claim("run_script", argv=["x"]).effect
    monkeypatch.setattr(module.os, "name", "nt")
    outcome = run_script(made, 1)
    monkeypatch.undo()
    assert (outcome.result, "not run on this system" in outcome.why) == ("failed", True)


def test_a_script_whose_reader_is_stopped_is_ended_with_it(tmp_path: Path) -> None:
    path = tmp_path / "script"
    path.write_text(
        "#!/bin/sh\nsetsid sleep 61 &\necho $! > pid; sleep 62\n".replace("> pid", f"> {tmp_path}/pid"),
        encoding="utf-8",
    )
    path.chmod(0o700)
    before = descendants(os.getpid())

    def stop(*_: object) -> None:
        raise SystemExit(143)

    old = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        with pytest.raises(SystemExit):
            run(path, timeout=30)
    finally:
        signal.signal(signal.SIGALRM, old)
    assert (tmp_path / "pid").exists()
    assert descendants(os.getpid()) - before == set()
