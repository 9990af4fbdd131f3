"""Every notice in every form is read right; what contradicts itself gives no value; what only looks like one is none."""

from __future__ import annotations

import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from mailrules.mail.message import RawMessage
from mailrules.pipeline import read
from mailrules.ruleset import load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.sources.files import documents
from tests.notice_cases import (
    CHOICES,
    GENUINE_COUNT,
    Case,
    contradictions,
    counts,
    genuine,
    look_alikes,
    other_number_in_the_subject,
    to_cut,
)
from tests.notice_texts import Want

RULES = load(shipped_rules(), grammar_text())
FIXTURES = Path(__file__).parent / "fixtures"
CUT = 4096
CUTS_OF_A_RUN = 25
Found = tuple[str, str | None, str | None, str | None, Mapping[str, str]]


@cache
def cases() -> tuple[Case, ...]:
    return tuple(genuine())


def written(case: Case, folder: Path) -> Path:
    """Write the files of a case below a folder; they are as old as the mail."""
    for name, content in case.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, (case.arrived.timestamp(),) * 2)
    return folder / case.path


def found_in(path: Path) -> list[Found]:
    """Read a path in this process, as `mailrules read` does."""
    return [
        (n.status, n.kind, n.system, n.wording, dict(n.fields))
        for raw in documents(str(path), io.BytesIO())
        for n in read(raw, RULES).notices
        if n.status != "unrecognized"
    ]


def fits(want: Want, found: Found) -> bool:
    status, kind, system, wording, fields = found
    bare = {name: value for name, value in fields.items() if name != "days"}
    days = fields.get("days", want.days)
    return (
        (status, kind, bare) == (want.status, want.kind, dict(want.fields))
        and system == (want.system or system)
        and wording == (want.wording or wording)
        and days == want.days
    )


def difference(wants: Sequence[Want], found: Sequence[Found]) -> str:
    """Return what is missing and what is too much, or ""."""
    rest, missing = list(found), []
    for want in wants:
        one = next((f for f in rest if fits(want, f)), None)
        if one is None:
            missing.append(want)
        else:
            rest.remove(one)
    lines = [f"  missing {w.status} {w.kind} {w.wording} {dict(w.fields)} days {w.days}" for w in missing]
    return "\n".join(lines + [f"  found   {f}" for f in rest])


def wrong_among(every: Sequence[Case], folder: Path) -> list[str]:
    wrong = []
    for number, case in enumerate(every):
        what = difference(case.wants, found_in(written(case, folder / str(number))))
        if what:
            wrong.append(f"{case.name}\n{what[:1500]}")
    return wrong


def test_every_genuine_notice_in_every_form_is_read_right(tmp_path: Path) -> None:
    wrong = wrong_among(cases(), tmp_path)
    used = "\n".join(f"{name}: {dict(count)}" for name, count in counts(cases()).items())
    assert not wrong, f"{len(wrong)} of {len(cases())} documents\n" + "\n".join(wrong[:20]) + "\n" + used


def test_the_generator_uses_every_technique_and_always_makes_the_same() -> None:
    assert len(cases()) == GENUINE_COUNT >= 300
    assert tuple(genuine(40)) == cases()[:40]
    everything = counts(cases())
    assert [(name, value) for name, values in CHOICES.items() for value in values if not everything[name][value]] == []


def test_what_cannot_be_is_unparsed_with_a_reason_and_gives_no_value(tmp_path: Path) -> None:
    every = list(contradictions())
    assert len(every) > 300
    wrong = []
    for number, case in enumerate(every):
        path = written(case, tmp_path / str(number))
        notices = [n for raw in documents(str(path), io.BytesIO()) for n in read(raw, RULES).notices]
        told = [n for n in notices if n.status == "unparsed" and n.reason and n.kind == case.wants[0].kind]
        if len(notices) != 1 or not told or any(n.fields for n in notices):
            wrong.append(f"{case.name}: {[(n.status, n.kind, n.reason, dict(n.fields)) for n in notices]}")
    assert not wrong, f"{len(wrong)} of {len(every)}\n" + "\n".join(wrong[:20])


def test_another_number_in_the_subject_changes_no_value(tmp_path: Path) -> None:
    every = list(other_number_in_the_subject())
    wrong = wrong_among(every, tmp_path)
    assert not wrong, f"{len(wrong)} of {len(every)}\n" + "\n".join(wrong[:20])


def test_another_number_in_the_subject_is_noted_where_the_day_of_writing_is_known(tmp_path: Path) -> None:
    known = [c for c in other_number_in_the_subject() if c.techniques["forward"] in ("none", "attachment")]
    dated = [c for c in known if c.path.endswith(".eml")]
    assert dated
    for number, case in enumerate(dated):
        path = written(case, tmp_path / str(number))
        notes = [n.notes for raw in documents(str(path), io.BytesIO()) for n in read(raw, RULES).notices]
        assert all(any("77" in note for note in some) for some in notes), case.name


def test_every_value_has_the_place_where_it_stands(tmp_path: Path) -> None:
    told = 0
    for number, case in enumerate(cases()[::4]):
        for raw in documents(str(written(case, tmp_path / str(number))), io.BytesIO()):
            reading = read(raw, RULES)
            lines = {part.path: part.text.split("\n") for part in reading.message.parts}
            for notice in reading.notices:
                if notice.status != "read":
                    continue
                assert {e.field for e in notice.evidence} == set(notice.fields) - {"status", "region"}, case.name
                own = [e for e in notice.evidence if not reading.message.attached and e.part in lines]
                for e in own:
                    assert lines[e.part][e.line - 1][e.column - 1 :].startswith(e.text.split()[0][:3]), (case.name, e)
                told += len(own)
    assert told > 300


def test_no_look_alike_is_taken_for_a_notice(tmp_path: Path) -> None:
    every = list(look_alikes())
    wrong = []
    for number, case in enumerate(every):
        found = found_in(written(case, tmp_path / str(number)))
        if any(status != "refused" or fields for status, _, _, _, fields in found):
            wrong.append(f"{case.name}: {found}")
        whole = case.techniques["container"] == "eml" and case.techniques["forward"] == "none"
        if whole and case.techniques["form"] == "plain":
            named = [kind for _, kind, _, _, _ in found]
            if named != [want.kind for want in case.wants]:
                wrong.append(f"{case.name}: named {named}")
    assert not wrong, f"{len(wrong)} of {len(every)}\n" + "\n".join(wrong[:20])


def not_right(case: Case, length: int) -> str:
    """Return what a message cut off after so many bytes gives that the whole one does not say, or ""."""
    (content,) = case.files.values()
    for notice in read(RawMessage(source="x", content=content[:length], received_at=case.arrived), RULES).notices:
        fields = dict(notice.fields)
        right = any(
            w.kind == notice.kind and fields.items() <= {**w.fields, "days": w.days}.items() for w in case.wants
        )
        if notice.status == "refused" or (fields and notice.status != "read") or (fields and not right):
            return f"{length} bytes: {notice.status} {notice.kind} {fields}"
    return ""


CUT_CASES = {case.name: case for case in to_cut()}


@pytest.mark.parametrize("name", CUT_CASES)
def test_a_notice_cut_off_somewhere_gives_no_wrong_value(name: str) -> None:
    case = CUT_CASES[name]
    (content,) = case.files.values()
    most = min(CUT, len(content))
    lengths = random.Random(name).sample(range(most), min(CUTS_OF_A_RUN, most))
    assert [what for length in sorted(lengths) if (what := not_right(case, length))] == []


@pytest.mark.torture
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", CUT_CASES)
def test_a_notice_cut_off_at_any_byte_gives_no_wrong_value(name: str) -> None:
    case = CUT_CASES[name]
    (content,) = case.files.values()
    assert [what for length in range(min(CUT, len(content)) + 1) if (what := not_right(case, length))] == []


def from_json(line: str) -> tuple[str, Found]:
    row = json.loads(line)
    return row["source"], (row["status"], row["notice"], row["system"], row["wording"], row["fields"])


def command(folder: Path, *arguments: str, stdin: bytes = b"") -> list[tuple[str, Found]]:
    done = subprocess.run(
        [sys.executable, "-m", "mailrules", "read", "--json", *arguments],
        cwd=folder, input=stdin, capture_output=True, check=False, timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return [from_json(line) for line in done.stdout.decode().splitlines()]


def test_the_command_reads_files_folders_mailboxes_and_pages_alike(tmp_path: Path) -> None:
    every: list[Case] = []
    for container in CHOICES["container"]:
        every += [c for c in cases() if c.techniques["container"] == container][:2]
    paths = [str(written(case, tmp_path / str(n)).relative_to(tmp_path)) for n, case in enumerate(every)]
    rows = command(tmp_path, *paths)
    for case, path in zip(every, paths, strict=True):
        own = [f for source, f in rows if source == path or source.startswith((path + "#", path + "/"))]
        assert difference(case.wants, [f for f in own if f[0] != "unrecognized"]) == "", case.name


def test_the_command_reads_standard_input(tmp_path: Path) -> None:
    for case in [c for c in cases() if c.techniques["container"] in ("eml", "mbox", "saved page")][:3]:
        (content,) = case.files.values()
        found = [f for _, f in command(tmp_path, "-", stdin=content) if f[0] != "unrecognized"]
        assert difference(case.wants, found) == "", case.name


@pytest.mark.parametrize("file", sorted((FIXTURES / "mail").iterdir()), ids=lambda file: file.name)
def test_a_page_or_article_as_people_keep_it_is_read_right(file: Path) -> None:
    rows = json.loads((FIXTURES / "fields" / f"{file.name}.json").read_text(encoding="utf-8"))
    wants = [
        Want(status=r["status"], kind=r["notice"], system=r["system"], wording=r["wording"], fields=r["fields"])
        for r in rows
    ]
    found = [(*one[:4], {k: v for k, v in one[4].items() if k != "days"}) for one in found_in(file)]
    assert difference(wants, found) == ""
