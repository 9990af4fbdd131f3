"""Mails inside the text of a mail: what mail programs write when somebody forwards or answers.

In: the Lines of a part. Out: Letters: the text's own first, then each quoted one with its subject, date and sender.
May not live here: attached messages (mail/parse.py), notices, trust.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

from mailrules.notices.lines import Line
from mailrules.notices.months import any_month

MAX_LETTERS = 200
MAX_DEPTH = 10
MAX_FIELDS = 14
_LABELS = {
    "from": "from|von|de|da|van|från|fra|od|差出人|送信元|送信者|发件人|發件人|寄件者|寄件人|发信人",
    "date": "date|sent|gesendet|gesendet am|datum|envoyé|envoyé le|date d'envoi|data|fecha|enviado|enviado el|inviato"
    "|verzonden|skickat|送信日時|日付|日時|发送时间|發送時間|发送日期|日期|时间|寄件日期|傳送時間",
    "to": "to|an|à|a|para|aan|till|宛先|收件人|收件者",
    "subject": "subject|betreff|objet|sujet|oggetto|asunto|assunto|onderwerp|ämne|件名|题名|题目|主题|主題|主旨",
    "other": "cc|bcc|kopie|kopie (cc)|copie à|copie|ccn|抄送|reply-to|antwort an|répondre à|返信先|回复|回复至"
    "|importance|wichtigkeit|importance haute|重要度|重要性|attachments|anlagen|pièces jointes|添付ファイル|附件",
}
_ROLES = {label: role for role, labels in _LABELS.items() for label in labels.split("|")}
_FIELD = re.compile(r"([> |*_\t]{0,40})([^:\uff1a\t]{1,20}?)[ \xa0*_]{0,5}(?:[:\uff1a]|\t)[ \t\xa0*_]*", re.DOTALL)
_MARKER = re.compile(
    r"[> |*_]*(?:[-_=]{2,} ?(?:original message|forwarded message|original[- ]nachricht|ursprüngliche nachricht"
    r"|weitergeleitete nachricht|message d'origine|message original|message transféré|messaggio originale|mensaje original"
    r"|転送メッセージ|転送されたメッセージ|元のメッセージ|forwarded by me|原始邮件|原邮件|原始郵件|转发的邮件|已转发邮件|转发邮件信息|轉寄的郵件)"
    r" ?[-_=]{2,}|[-_]{10,}"
    r"|(?:begin forwarded message|anfang der weitergeleiteten (?:nachricht|e-mail)|début du message (?:transféré|réexpédié)"
    r"|転送されたメッセージ|以下は転送されたメッセージです|开始转发的邮件|下面是被转发的邮件|開始轉寄的郵件)[ \u3000]?[:\uff1a。]?)[ *_]*",
    re.IGNORECASE,
)
_ORDERED = re.compile(r"(?<!\d)(\d{4})\s?[年/.-]\s?(\d{1,2})\s?[月/.-]\s?(\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(r"(?<!\d)(\d{1,2})(?:\.|er)?(?: de)? ([^\W\d]{3,9})\.?,?(?: de)? (\d{4})(?!\d)")
_MONTH_FIRST = re.compile(r"([^\W\d]{3,9})\.? (\d{1,2}),? (\d{4})(?!\d)")
_POINTS = re.compile(r"(?<!\d)(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})(?!\d)")


@dataclass(slots=True)
class Letter:
    """One mail in a text. `quoted` is False for the text's own; then the fields are those of the message around it.

    `sent` is None where the date is missing or can be read in two ways.
    """

    quoted: bool = False
    lines: list[Line] = field(default_factory=list)
    subject: Line | None = None
    sender: str = ""
    sent: date | None = None


def letters(lines: Sequence[Line]) -> list[Letter]:
    """Part a text into its own words and the mails quoted in it; each line belongs to exactly one."""
    texts = [line.text for line in lines]
    if not any(_role(text) == "from" for text in texts if ":" in text or "\t" in text or "\uff1a" in text):
        return [Letter(lines=list(lines))]  # why: no mail is quoted without its sender, and most mails quote none
    found = [Letter()]
    latest = [0] * (MAX_DEPTH + 1)  # which letter a line belongs to, by how deep it is quoted
    index, marked = 0, False
    while index < len(lines):
        line = lines[index]
        role = _role(line.text)
        if role in ("from", "date", "subject", "to") and len(found) <= MAX_LETTERS:
            block, end = _block(lines, index)
            if _is_header(block, marked=marked):
                found.append(_letter(block))
                depth = _depth(line.text)
                latest[depth:] = [len(found) - 1] * (MAX_DEPTH + 1 - depth)
                index, marked = end, False
                continue
        marked = _MARKER.fullmatch(line.text[:200].strip()) is not None
        found[latest[_depth(line.text)]].lines.append(line)
        index += 1
    return found


def _role(text: str) -> str:
    match = _FIELD.match(text)
    return _ROLES.get(match[2].strip().casefold().replace("’", "'"), "") if match else ""


def _depth(text: str) -> int:
    lead = text[: len(text) - len(text.lstrip("> |\t"))]
    return min(lead.count(">"), MAX_DEPTH)


def _block(lines: Sequence[Line], start: int) -> tuple[dict[str, Line], int]:
    """Return the header fields that begin at a line, by role, and where the text behind them begins."""
    block: dict[str, Line] = {}
    index = start
    while index < len(lines) and index - start < MAX_FIELDS:
        line, role = lines[index], _role(lines[index].text)
        if index > start and line.number - lines[index - 1].number > 2:
            break
        if not role:
            if not _goes_on(lines, index, start):
                break
        elif role in block and role != "other":
            break
        else:
            match = _FIELD.match(line.text)
            block[role] = (
                line.behind(match.end()) if match and match.end() < len(line.text) else Line("", line.pieces, line.part)
            )
            last = role
            index += 1
            continue
        before = block[last]
        if before.text:  # why: a long field goes on in the next line, without a label
            text = line.text.strip("> |\t")
            column = line.text.find(text) + 1
            pieces = (*before.pieces, (len(before.text) + 1, line.number, column))
            block[last] = Line(f"{before.text} {text}", pieces, line.part)
        index += 1
    return block, index


def _goes_on(lines: Sequence[Line], index: int, start: int) -> bool:
    """Whether a line without a label continues the field above: a label or an empty line must follow at once."""
    if index == start or lines[index].number != lines[index - 1].number + 1 or not _role(lines[index - 1].text):
        return False
    if index + 1 == len(lines):
        return False
    after = lines[index + 1]
    return bool(_role(after.text)) or after.number > lines[index].number + 1


def _is_header(block: dict[str, Line], *, marked: bool) -> bool:
    named = block.keys() - {"other"}
    if "from" not in named:
        return False
    return len(named) > 1 if marked else "subject" in named and len(named) > 2


def _letter(block: dict[str, Line]) -> Letter:
    subject = block.get("subject")
    sender = block["from"].text.strip(" *_") if "from" in block else ""
    return Letter(True, [], subject, sender[:200], quoted_day(block["date"].text) if "date" in block else None)


def quoted_day(text: str) -> date | None:
    """Return the day of a date as mail programs quote it; None where it cannot be told for certain."""
    text = " ".join(text[:200].replace("\u202f", " ").split())
    day = month = year = 0
    if match := _ORDERED.search(text):
        year, month, day = (int(n) for n in match.groups())
    elif match := _POINTS.search(text):
        day, month, year = (int(n) for n in match.groups())
    else:
        for match in _DAY_FIRST.finditer(text):
            day, month, year = int(match[1]), any_month(match[2]) or 0, int(match[3])
        if not month:
            for match in _MONTH_FIRST.finditer(text):
                day, month, year = int(match[2]), any_month(match[1]) or 0, int(match[3])
    try:
        return date(year, month, day) if 1990 <= year <= 2100 else None
    except ValueError:
        return None
