"""Small mistakes made on purpose in the code that decides whom to believe and what is done once: `make mutation-code`.

Each mutant is one change of one expression. The tests named for its module are collected once; each mutant is put in place
in a fork of that process and the tests are run there until one fails. What no test notices is printed: it is a test to
write, or a condition that can go. Names of modules on the command line choose; `--lines 10,20` chooses lines.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import os
import resource
import sys
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import _pytest.main
import pytest

ROOT = Path(__file__).resolve().parent.parent
TRUST = ("tests/test_authenticity.py",)
OUTBOX = ("tests/test_outbox.py", "tests/test_store.py")
TESTS: dict[str, tuple[str, ...]] = {
    "mailrules/mail/auth.py": TRUST,
    "mailrules/mail/dkim.py": ("tests/test_dkim.py",),
    "mailrules/mail/headers.py": (*TRUST, "tests/test_mail.py"),
    "mailrules/notices/trust.py": TRUST,
    "mailrules/notices/lookalike.py": TRUST,
    "mailrules/spine/anchors.py": ("tests/test_trusting.py",),
    "mailrules/store/outbox.py": OUTBOX,
    "mailrules/spine/drain.py": ("tests/test_outbox.py", "tests/test_verifying.py", "tests/test_limits.py"),
    "mailrules/effects.py": ("tests/test_outbox.py",),
}
PROCESSOR, WALL = 30, 180
"""Seconds for all tests of one mutant; what takes longer hangs, and is noticed."""
OTHER: dict[type, type] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    module: str
    number: int
    line: int
    what: str
    text: str

    def __str__(self) -> str:
        return f"{self.module}:{self.line}  #{self.number}  {self.what}"


def mutants(module: str, text: str) -> Iterator[Mutant]:
    """Yield every mutant of one module."""
    tree = ast.parse(text)
    number = 0
    for at, node in enumerate(ast.walk(tree)):
        for what, change in _changes(node):
            twin = copy.deepcopy(tree)
            before = ast.unparse(node)
            change(next(n for i, n in enumerate(ast.walk(twin)) if i == at))
            made = ast.unparse(ast.fix_missing_locations(twin))
            yield Mutant(
                module, number, getattr(node, "lineno", 0), f"{what} in `{' '.join(before.split())[:90]}`", made
            )
            number += 1


def _changes(node: ast.AST) -> Iterator[tuple[str, Callable[[Any], object]]]:
    match node:
        case ast.Compare(ops=ops):
            for at, op in enumerate(ops):
                yield (
                    f"comparison {at + 1} the other way",
                    lambda n, at=at, op=op: n.ops.__setitem__(at, OTHER[type(op)]()),
                )
        case ast.BoolOp(op=op, values=values):
            yield "and <-> or", lambda n, op=op: setattr(n, "op", OTHER[type(op)]())
            for at in range(len(values)):
                yield f"condition {at + 1} dropped", lambda n, at=at: n.values.pop(at)
        case ast.UnaryOp(op=ast.Not()):
            yield "not dropped", lambda n: setattr(n, "op", ast.UAdd()) or setattr(n, "operand", _truth(n.operand))
        case ast.BinOp(op=op) if type(op) in OTHER and not isinstance(node.left, (ast.JoinedStr, ast.Constant)):
            yield "+ <-> -", lambda n, op=op: setattr(n, "op", OTHER[type(op)]())
        case ast.Constant(value=bool() as value):
            yield "True <-> False", lambda n, value=value: setattr(n, "value", not value)
        case ast.Constant(value=int() as value):
            yield "one more", lambda n, value=value: setattr(n, "value", value + 1)
        case ast.If(test=test) | ast.IfExp(test=test):
            for name in ("True", "False"):
                yield f"always {name}", lambda n, name=name: setattr(n, "test", ast.parse(name, mode="eval").body)
            del test
        case ast.Continue():
            yield "continue -> break", lambda n: setattr(n, "__class__", ast.Break)
        case ast.Break():
            yield "break -> continue", lambda n: setattr(n, "__class__", ast.Continue)
        case ast.Expr(value=ast.Call()):
            yield "call dropped", lambda n: setattr(n, "value", ast.Constant(value=None))
        case _:
            pass


def _truth(node: ast.expr) -> ast.expr:
    return ast.Call(func=ast.Name(id="bool", ctx=ast.Load()), args=[node], keywords=[])


def put_in_place(mutant: Mutant) -> None:
    """Give every function of the module, wherever it was imported, the mutant's code, and every constant its value."""
    name = mutant.module.removesuffix(".py").replace("/", ".")
    module = importlib.import_module(name)
    made = types.ModuleType(name)
    made.__dict__.update({"__file__": module.__file__, "__package__": module.__package__})
    sys.modules[name] = made  # why: a dataclass looks its module up while it is made
    exec(compile(mutant.text, str(module.__file__), "exec"), made.__dict__)
    sys.modules[name] = module
    _transplant(vars(module), vars(made), name, module)


def _transplant(old: Any, new: Any, name: str, owner: Any) -> None:
    for key, value in list(new.items()):
        was = old.get(key)
        one, other = (getattr(v, "__func__", getattr(v, "fget", v)) for v in (was, value))
        if isinstance(one, types.FunctionType) and isinstance(other, types.FunctionType):
            if one.__module__ == name:
                with contextlib.suppress(ValueError):  # a closure: super() of a made class
                    one.__code__, one.__defaults__, one.__kwdefaults__ = (
                        other.__code__,
                        other.__defaults__,
                        other.__kwdefaults__,
                    )
        elif isinstance(was, type) and isinstance(value, type):
            if was.__module__ == name:
                _transplant(vars(was), vars(value), name, was)
        elif (
            isinstance(owner, types.ModuleType) and not key.startswith("__") and not isinstance(value, types.ModuleType)
        ):
            setattr(owner, key, value)


@dataclass
class Loop:
    """In place of running the tests: running them once for each mutant, in a fork; the first one changes nothing."""

    some: list[Mutant]
    left: list[Mutant]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        for mutant in self.some:
            sys.stdout.flush()
            child = os.fork()
            if not child:
                _run(session, mutant)
            seen = _seen(child)
            if mutant is self.some[0] and seen:
                pytest.exit("the tests fail though nothing was changed", returncode=1)
            if mutant is not self.some[0] and not seen:
                self.left.append(mutant)
        return True


def _run(session: pytest.Session, mutant: Mutant) -> None:
    """Run the tests in this fork, and end it."""
    code = 1
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR, PROCESSOR))
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 1)
            os.dup2(nothing.fileno(), 2)
        put_in_place(mutant)
        _pytest.main.pytest_runtestloop(session)
        code = int(session.testsfailed > 0)
    except BaseException:  # whatever it was, it was noticed
        code = 1
    os._exit(code)


def _seen(child: int) -> bool:
    until = time.monotonic() + WALL
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status != 0
        if time.monotonic() > until:
            os.kill(child, 9)
        time.sleep(0.01)


def main() -> int:
    words = sys.argv[1:]
    lines = {int(n) for n in words[words.index("--lines") + 1].split(",")} if "--lines" in words else None
    names = [w for w in words if w in TESTS] or list(TESTS)
    if len(names) > 1:  # why: a process of its own, so that no module is imported under the tests of another
        return max(
            os.waitstatus_to_exitcode(os.system(f"{sys.executable} -m tests.mutation_code {name}")) for name in names
        )
    (name,) = names
    began = time.monotonic()
    some = [m for m in mutants(name, (ROOT / name).read_text(encoding="utf-8")) if lines is None or m.line in lines]
    nothing = Mutant(name, -1, 0, "nothing", ast.unparse(ast.parse((ROOT / name).read_text(encoding="utf-8"))))
    loop = Loop([nothing, *some], [])
    code = pytest.main(
        ["-q", "-x", "-p", "no:cacheprovider", "--capture=no", "--no-header", *TESTS[name]], plugins=[loop]
    )
    if code not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(code)
    sys.stdout.write(
        f"\n{name}: {len(some) - len(loop.left)} of {len(some)} noticed, {time.monotonic() - began:.0f} s\n"
    )
    sys.stdout.writelines(f"  survives: {mutant}\n" for mutant in loop.left)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
