"""Sample mails to a drafted notice: the draft checks, and it reads the samples."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailrules.mail.message import Message, RawMessage
from mailrules.mail.parse import parse_message
from mailrules.notices.draft import draft_notice
from mailrules.notices.notice import Notice
from mailrules.notices.recognize import recognize
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules

WHEN = datetime(2024, 3, 11, 9, tzinfo=UTC)
SHIPPED = load(shipped_rules(), grammar_text())

HUB = """From: Example Hub <notices@examplehub.example>
Subject: Your link to the shop ends in {days} days
Content-Type: text/plain; charset=utf-8

Hello,

the link of a tool to your shop ends soon. It will stop working on {day}.

Tool name: {tool}
Tool number: {number}
Valid until: {day}

See https://examplehub.example/links
"""
JAPANESE = """From: ハブ <notices@examplehub.example>
Subject: 連携の期限が近づいています
Content-Type: text/plain; charset=utf-8

連携ツール名：{tool}
ツール番号：{number}
有効期限：{day}
"""


def sample(text: str) -> Message:
    return parse_message(RawMessage(source="x", content=text.encode(), received_at=WHEN))


def with_draft(draft: str) -> RuleSet:
    return load([*shipped_rules(), ("draft.rules", draft)], grammar_text())


def learned(*texts: str) -> tuple[str, list[Notice]]:
    """Draft from the samples, check the draft, and read the samples with it."""
    samples = [sample(text) for text in texts]
    draft = draft_notice(samples, SHIPPED.systems)
    rules = with_draft(draft)
    assert [p.message for p in rules.errors] == [], draft
    found = [notice for one in samples for notice in recognize(one, rules.wordings, rules.systems)]
    assert [n.status for n in found] == ["read"] * len(samples), (draft, found)
    assert {n.kind for n in found} == {"my_notice"}, draft
    return draft, found


def hub(days: int, day: str, tool: str = "Never Settle", number: str = "4464-5354-5547") -> str:
    return HUB.format(days=days, day=day, tool=tool, number=number)


def test_one_sample_gives_a_notice_that_reads_it() -> None:
    draft, (found,) = learned(hub(30, "2024-04-10"))
    assert dict(found.fields) == {
        "days": "30",
        "developer": "Never Settle",
        "developer_id": "446453545547",
        "expires": "2024-04-10",
    }
    assert 'mail from "examplehub.example"' in draft
    assert "wording xx {" in draft


def test_what_is_said_twice_is_read_twice_so_that_it_must_agree() -> None:
    draft, _ = learned(hub(30, "2024-04-10"))
    assert 'line "Valid until: {expires}"' in draft
    assert 'says "It will stop working on {expires}"' in draft


def test_more_samples_give_the_words_that_stay() -> None:
    _, found = learned(hub(30, "10.4.2024"), hub(9, "1.12.2025", "Shippinno", "525964794073"))
    assert [(n.fields["developer"], n.fields["expires"], n.fields["days"]) for n in found] == [
        ("Never Settle", "2024-04-10", "30"),
        ("Shippinno", "2025-12-01", "9"),
    ]


def test_japanese_labels_and_dates_are_drafted_as_they_stand() -> None:
    draft, (found,) = learned(JAPANESE.format(tool="ハブツール", number="525964794073", day="2024年4月10日"))
    assert found.fields["expires"] == "2024-04-10"
    assert 'date "YYYY年M月D日"' in draft


@pytest.mark.parametrize(
    ("day", "form"),
    [
        ("April 10, 2024", "MMMM D, YYYY"),
        ("Apr. 10, 2024", "MMM D, YYYY"),
        ("10. April 2024", "D. MMMM YYYY"),
        ("10 avr. 2024", "D MMM YYYY"),
        ("10 de abril de 2024", "D de MMMM de YYYY"),
    ],
)
def test_a_month_as_a_word_is_drafted_with_its_form(day: str, form: str) -> None:
    draft, (found,) = learned(hub(30, day))
    assert found.fields["expires"] == "2024-04-10"
    assert f'expires: date "{form}"' in draft
    assert 'says "It will stop working on {expires}"' in draft


def test_a_date_that_can_be_read_in_two_ways_is_left_to_the_author() -> None:
    draft, (found,) = learned(hub(30, "03/04/2024"))
    assert "expires" not in found.fields
    assert found.fields["expires_text"] == "03/04/2024"
    assert 'choose date "D/M/YYYY" or date "M/D/YYYY"' in draft


def test_samples_settle_the_order_of_day_and_month() -> None:
    _, found = learned(hub(30, "03/04/2024"), hub(30, "25/12/2024"))
    assert [n.fields["expires"] for n in found] == ["2024-04-03", "2024-12-25"]


def test_a_sender_that_a_system_declares_gets_no_second_system() -> None:
    draft, _ = learned(hub(30, "2024-04-10").replace("notices@examplehub.example", "seller-notification@amazon.com"))
    assert "system " not in draft
    assert "notice my_notice of amazon {" in draft


def test_what_was_forwarded_is_what_is_learned() -> None:
    inner = hub(30, "2024-04-10")
    head, _, body = inner.partition("\n\n")
    quoted = (
        "From: owner@shop.example\nSubject: Fwd: x\n\nlook\n\n---------- Forwarded message ---------\n"
        + head.replace(
            "Content-Type: text/plain; charset=utf-8", "Date: Mon, Mar 11, 2024 at 8:00 AM\nTo: a@shop.example"
        )
        + "\n\n"
        + body
    )
    draft, (found,) = learned(quoted)
    assert 'mail from "examplehub.example"' in draft
    assert found.forwarded


def test_braces_quotes_and_backslashes_of_a_mail_do_no_harm() -> None:
    learned(hub(30, "2024-04-10").replace("Tool name:", 'The "tool" {x} \\ name:').replace("ends in", 'ends {"in"} \\'))


def test_a_mail_without_values_is_known_by_its_subject_and_a_sentence() -> None:
    draft, _ = learned(
        "From: a@examplehub.example\nSubject: Please reconnect your shop\n\nThe connection to your shop must be renewed.\n"
    )
    assert 'says "The connection to your shop must be renewed."' in draft


@pytest.mark.parametrize("lines", [1, 30_000])
def test_long_mails_are_learned_from_their_beginning(lines: int) -> None:
    learned(hub(30, "2024-04-10") + "Some: thing\n" * lines)


def test_the_command_prints_a_block_that_check_accepts(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_text(hub(30, "2024-04-10"), encoding="utf-8")
    (tmp_path / "b.eml").write_text(hub(9, "2025-04-10", "Shippinno", "525964794073"), encoding="utf-8")
    command = [sys.executable, "-m", "mailrules", "learn", "a.eml", "b.eml"]
    place = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1]), "PYTHONUTF8": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=place, capture_output=True, check=True, encoding="utf-8")
    assert with_draft(done.stdout).errors == ()
