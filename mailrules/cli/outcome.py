"""What a poll, a dry run or an apply came to, for people and for programs.

In: an Outcome, a plan's text. Out: lines on stdout, what needs a person on stderr, a file that only its owner reads.
May not live here: what an Outcome means (app.py).
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mailrules.cli.output import json_line, safe
from mailrules.errors import ConfigError, TemporaryError

if TYPE_CHECKING:
    from mailrules.effects import Effect
    from mailrules.spine.intake import Report
    from mailrules.spine.outcome import Outcome


def nothing_done() -> TemporaryError:
    """Return what to raise where a poll is at work and a person asked for something else that changes the store."""
    return TemporaryError("a poll of this store is at work, so nothing was done", help="try again when it is done")


def tell_of_rules(error: ConfigError) -> None:
    """Say that it was not today's rules that decided, and why."""
    from mailrules.cli import tell

    words = f"the last good rules are at work, because today's may not go live: {error}"
    tell(ConfigError(words, help=error.help))


def show_outcome(outcome: Outcome, *, as_json: bool) -> None:
    """Print what a run came to; without a terminal only what was asked for, and what needs somebody."""
    from mailrules.cli import tell

    talk = sys.stdout.isatty() and not as_json
    if outcome.busy:
        if talk:
            print("another poll of this store is at work; nothing to do here")
        return
    if outcome.clock:
        sys.stderr.write(f"mailrules: {outcome.clock}\n")
    if outcome.rules_error and (outcome.rules_changed or talk or outcome.plan):
        tell_of_rules(outcome.rules_error)
    for report in outcome.reports:
        if report.error and (report.changed or talk or outcome.plan):
            tell(report.error)
        if report.down_since:
            sys.stderr.write(
                f"mailrules: account {report.account} answers again; it had not since {report.down_since[:16]} UTC\n"
            )
        if as_json:
            print(json_line(_report_row(report)))
        elif talk:
            print(
                f"{report.account}: {report.seen} new messages, {report.candidates} fetched, {report.notices} notices, {report.new_effects} things to do"
            )
    if outcome.plan and not outcome.performed and not outcome.moved:
        for effect in outcome.plan.effects:
            if effect.state == "planned":
                _show_planned(effect, as_json=as_json)
    if talk:
        for action, target, why in outcome.performed:
            print(f"{action.replace('_', ' ')} {safe(target)}: {safe(why)}")
    if outcome.needs_changed or (outcome.needs and talk):
        for sentence in outcome.needs:
            sys.stderr.write(f"mailrules: needs a person: {safe(sentence)}\n")


def _report_row(report: Report) -> dict[str, object]:
    return {
        "account": report.account, "seen": report.seen, "candidates": report.candidates, "notices": report.notices,
        "effects": report.new_effects, "error": str(report.error) if report.error else None,
    }  # fmt: skip


def _show_planned(effect: Effect, *, as_json: bool) -> None:
    if as_json:
        row = {
            "id": effect.key[:10], "rule": effect.rule, "action": effect.action, "target": effect.target,
            "stage": effect.stage, "state": effect.state, "authorization": effect.authorization, "args": dict(effect.args),
        }  # fmt: skip
        print(json_line(row))
        return
    about = effect.args.get("title") or effect.args.get("subject") or effect.args.get("argv") or ""
    words = ("would", effect.action.replace("_", " "), safe(effect.target) + (":" if about else ""), safe(about))
    print(" ".join(word for word in words if word) + f"  (rule `{safe(effect.rule)}`)")


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    import tempfile  # why here: it brings every kind of compression along

    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        why = error.strerror or error
        raise TemporaryError(
            f"{path} cannot be written: {why}", help="check its folder and your rights there"
        ) from error
