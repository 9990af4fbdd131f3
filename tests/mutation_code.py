"""Small mistakes made on purpose in the code that decides whom to believe and what is done once: `make mutation-code`.

Each mutant is one change of one expression, run against the tests named for its module in a copy of the tree; a test
that fails, hangs or cannot start has noticed it. Those that nothing notices are printed; docs/mutation.md says why they
may stay. Names on the command line choose modules; `--only N` repeats one mutant.
"""

from __future__ import annotations

import ast
import copy
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

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
    "mailrules/store/outbox.py": (*OUTBOX, "tests/test_limits.py", "tests/test_mail_out.py"),
    "mailrules/spine/drain.py": ("tests/test_outbox.py", "tests/test_verifying.py", "tests/test_limits.py", "tests/test_mail_out.py"),
    "mailrules/effects.py": ("tests/test_outbox.py", "tests/test_plan.py"),
}  # fmt: skip
SLOWEST = 120
AT_ONCE = int(os.environ.get("MAILRULES_MUTANTS_AT_ONCE", "2"))
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


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
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


def noticed(mutant: Mutant, tree: Path) -> bool:
    """Return whether a test of the module fails in a copy of the tree."""
    target = tree / mutant.module
    original = target.read_text(encoding="utf-8")
    target.write_text(mutant.text, encoding="utf-8")
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--timeout", "30", *TESTS[mutant.module]],
            cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=SLOWEST,
            env={**os.environ, "PYTHONPATH": str(tree), "PYTHONDONTWRITEBYTECODE": "1", "HYPOTHESIS_DATABASE_FILE": ""},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True
    finally:
        target.write_text(original, encoding="utf-8")
    return done.returncode != 0


def main() -> int:
    words = sys.argv[1:]
    only = int(words[words.index("--only") + 1]) if "--only" in words else None
    names = [w for w in words if w in TESTS] or list(TESTS)
    with tempfile.TemporaryDirectory() as folder:
        trees = [Path(folder) / str(n) for n in range(AT_ONCE)]
        for tree in trees:
            shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache"))
        total = missed = 0
        for name in names:
            began = time.monotonic()
            some = [m for m in mutants(name, (ROOT / name).read_text(encoding="utf-8")) if only in (None, m.number)]
            with ThreadPoolExecutor(AT_ONCE) as pool:
                found = list(pool.map(_one, some, repeat(trees)))
            left = [m for m, seen in zip(some, found, strict=True) if not seen]
            total, missed = total + len(some), missed + len(left)
            sys.stdout.write(
                f"{name}: {len(some) - len(left)} of {len(some)} noticed, {time.monotonic() - began:.0f} s\n"
            )
            sys.stdout.writelines(f"  survives: {mutant}\n" for mutant in left)
            sys.stdout.flush()
        sys.stdout.write(f"{total - missed} of {total}: {100 * (total - missed) / max(total, 1):.1f} %\n")
    return 0


def _one(mutant: Mutant, free: list[Path]) -> bool:
    tree = free.pop()
    try:
        return noticed(mutant, tree)
    finally:
        free.append(tree)


if __name__ == "__main__":
    raise SystemExit(main())
