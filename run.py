"""Run mailrules, its tests or its checks from a checkout: `python3 run.py demo`, `python3 run.py test`.

In: a command and its arguments. Out: what that command prints, and its exit code.
Makes `.venv` here on the first run, from the pinned lock files, and again when they change. Standard library only.
May not live here: anything that mailrules itself does; syntax that an old Python cannot read.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "Scripts", "python.exe") if os.name == "nt" else os.path.join(VENV, "bin", "python")
LOCKS = {"runtime": "requirements.lock", "dev": "requirements-dev.lock"}
LINTERS = (
    ("ruff check", ["-m", "ruff", "check", "."]),
    ("ruff format --check", ["-m", "ruff", "format", "--check", "."]),
    ("mypy", ["-m", "mypy"]),
    ("lint-imports", ["-c", "import importlinter.cli as c; c.lint_imports_command()", "--no-cache"]),
)


def version_problem(version: "tuple[int, ...]") -> str:
    """Return the sentence that refuses this Python, or nothing."""
    if version >= (3, 11):
        return ""
    return f"mailrules needs Python 3.11 or newer; this is {version[0]}.{version[1]}. Try: python3.11 run.py"


if version_problem(sys.version_info[:2]):
    sys.exit(version_problem(sys.version_info[:2]))


def stamp(root: str, kind: str, python: str = sys.version) -> str:
    """Return what an up-to-date environment of this kind was made from, as a digest."""
    digest = hashlib.sha256(python.encode())
    for name in ("pyproject.toml", LOCKS[kind]):
        with open(os.path.join(root, name), "rb") as file:
            digest.update(hashlib.sha256(file.read()).digest())
    return digest.hexdigest()


def is_fresh(kind: str, root: str = ROOT, venv: str = VENV, python: str = PYTHON) -> bool:
    """Tell whether the environment was finished, from the present lock files and this Python."""
    try:
        with open(os.path.join(venv, f"stamp-{kind}"), encoding="ascii") as file:
            return file.read() == stamp(root, kind) and os.path.exists(python)
    except (OSError, UnicodeDecodeError):
        return False


def lock_file() -> object:
    """Wait until no other run.py is setting up here; the system lets go of the lock when this process ends."""
    handle = open(os.path.join(ROOT, ".venv.lock"), "a+", encoding="ascii")  # noqa: SIM115 - held until released
    if os.name == "nt":
        import msvcrt

        handle.seek(0)
        msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined,unused-ignore]
    else:
        import fcntl

        fcntl.flock(handle, fcntl.LOCK_EX)
    return handle


def step(arguments: "list[str]", environment: "dict[str, str]", advice: str) -> None:
    """Run one step of the set-up; where it fails, show what it said, remove the half-made environment and say what to do."""
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        shutil.rmtree(VENV, ignore_errors=True)
        sys.exit(f"{done.stdout}{done.stderr}\n{advice}")


def ensure(kind: str, environment: "dict[str, str]") -> None:
    """Make the environment, or bring it up to date; a half-made one is made anew."""
    if is_fresh(kind):
        return
    held = lock_file()
    if is_fresh(kind):  # the run that we waited for has done it
        return
    print(f"setting up .venv ({LOCKS[kind]}), once; this takes some seconds", file=sys.stderr, flush=True)
    if not is_fresh("runtime"):  # dev is a superset of runtime: it goes on top
        advice = "Could not make .venv. On Debian and Ubuntu: sudo apt install python3-venv"
        step([sys.executable, "-m", "venv", "--clear", VENV], environment, advice)
    pip = [PYTHON, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--require-hashes", "--no-deps"]
    advice = "Could not install the packages. Is the network reachable? Then run the same command again."
    step([*pip, "-q", "-r", os.path.join(ROOT, LOCKS[kind])], environment, advice)
    for done in ("runtime", kind):
        with open(os.path.join(VENV, f"stamp-{done}"), "w", encoding="ascii") as file:
            file.write(stamp(ROOT, done))
    del held


def hand_over(arguments: "list[str]", environment: "dict[str, str]") -> int:
    """Become the environment's Python with these arguments (on Windows: run it and return its exit code)."""
    if os.name != "nt":
        sys.stdout.flush()
        os.execve(PYTHON, [PYTHON, *arguments], environment)
    return subprocess.run([PYTHON, *arguments], env=environment, check=False).returncode


def has_dovecot() -> bool:
    """Tell whether the tests against a real IMAP server can run."""
    return shutil.which("dovecot", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin") is not None


def install_dovecot() -> None:
    """Install Debian's IMAP server, or say how."""
    if os.name == "nt" or not shutil.which("apt-get") or os.geteuid() != 0:
        sys.exit("test --with-servers needs Dovecot. Type: sudo apt-get install dovecot-imapd")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for part in (["update", "-qq"], ["install", "-qq", "-y", "--no-install-recommends", "dovecot-imapd"]):
        if subprocess.run(["apt-get", *part], env=quiet, check=False).returncode:
            sys.exit("apt-get failed (see above). Type: sudo apt-get install dovecot-imapd")


def main(arguments: "list[str]") -> int:
    """Run one command."""
    command, rest = (arguments[0], arguments[1:]) if arguments else ("--help", [])
    developing = command in ("setup", "test", "lint", "bench", "torture")
    environment = {**os.environ, "PYTHONUTF8": "1"}
    for inherited in ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__"):
        environment.pop(inherited, None)
    if "--with-servers" in rest and command == "test":
        rest.remove("--with-servers")
        environment["MAILRULES_REQUIRE_SERVERS"] = "1"
        if not has_dovecot():
            install_dovecot()
    elif command == "test" and not has_dovecot():
        print("no Dovecot here: tests marked 'servers' are skipped (test --with-servers installs it)", file=sys.stderr)
    ensure("dev" if developing else "runtime", environment)
    environment["PYTHONPATH"] = ROOT  # no editable install: its .pth breaks in folders with a non-ASCII name
    if not developing:
        return hand_over(["-P", "-m", "mailrules", *([command, *rest])], environment)
    os.chdir(ROOT)
    if command == "setup":
        return 0
    if command != "lint":
        return hand_over(
            {"test": ["-m", "pytest", "-q"], "torture": ["-m", "tests.torture"]}.get(command, ["-m", "bench"]) + rest,
            environment,
        )
    codes = []
    for name, linter in LINTERS:
        print(f"== {name}", flush=True)
        codes.append(subprocess.run([PYTHON, *linter], env=environment, check=False).returncode)
    return max(codes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
