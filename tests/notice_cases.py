"""A seeded generator of documents: what a system writes (notice_texts), in every form in which it may arrive.

A case is one input of `mailrules read`: files below a folder, the path to read, and what has to be read. Techniques are
combined pairwise: each document adds pairs that no earlier one has, so that 300 documents are 300 different ones.
"""

from __future__ import annotations

import base64
import html
import quopri
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta, timezone
from email.utils import format_datetime
from itertools import combinations

from tests.notice_texts import GENUINE, LOOK_ALIKES, Text, Want, hyphenated

GENUINE_COUNT = 320
SHOP = "Example Store <seller@shop.example>"
Techniques = Mapping[str, str]

FORWARDS = tuple(f"{program}-{language}" for program in ("gmail", "outlook", "apple") for language in ("en", "de", "ja", "zh", "fr"))  # fmt: skip
CHOICES: Mapping[str, tuple[str, ...]] = {
    "text": tuple(GENUINE),
    "form": (
        "plain",
        "html paragraphs",
        "html table",
        "html nested",
        "html one cell",
        "html split",
        "html nbsp",
        "both",
    ),
    "encoding": ("7bit", "quoted-printable", "base64", "8bit"),
    "charset": ("utf-8", "iso-2022-jp", "shift_jis", "gb18030", "windows-1252", "lying"),
    "wrap": ("none", "soft id", "quoted", "hard", "flowed"),
    "punctuation": ("as written", "no space", "full width", "en dash", "em dash"),
    "id": ("digits", "hyphens", "spaces"),
    "forward": ("none", "attachment", *FORWARDS),
    "container": ("eml", "maildir", "mbox", "saved page", "text file", "digest", "digest in one text"),
}
LIES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ja": (("cp932", "iso-2022-jp"), ("cp932", "utf-8"), ("utf-8", "shift_jis"), ("iso2022_jp", "us-ascii")),
    "zh": (("gb18030", "gb2312"), ("utf-8", "gb2312"), ("gb18030", "utf-8")),
    "": (("utf-8", "iso-8859-1"), ("utf-8", "us-ascii"), ("windows-1252", "us-ascii"), ("windows-1252", "utf-8")),
}
CODECS = {"shift_jis": "cp932", "iso-2022-jp": "iso2022_jp", "windows-1252": "cp1252"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One input: `files` below a folder, the path to give to `read`, and every notice it has to give, in any order."""

    name: str
    files: Mapping[str, bytes]
    path: str
    wants: tuple[Want, ...]
    techniques: Techniques
    arrived: datetime


class InfeasibleError(Exception):
    """These techniques do not go together: a character that the character set lacks, a page that is forwarded."""


# --- what is written: lines and HTML ---


def punctuated(text: str, style: str) -> str:
    """Write dashes, digits and colons of a short text (a subject, a labelled value, a sentence) in another way."""
    if style in ("en dash", "em dash"):
        return text.replace("-", "–" if style == "en dash" else "—")
    if style == "full width":
        return text.translate({ord("0") + n: ord("０") + n for n in range(10)})
    return text


def _value(value: str, techniques: Techniques) -> str:
    if len(value) == 12 and value.isdigit() and techniques["id"] != "digits":
        value = hyphenated(value, "-" if techniques["id"] == "hyphens" else " ")
    return punctuated(value, techniques["punctuation"])


def _separator(techniques: Techniques) -> str:
    return {"no space": ":", "full width": "："}.get(techniques["punctuation"], ": ")


def _styled(text: Text, techniques: Techniques) -> Text:
    """Return the text with its values written as the techniques say; words around them stay."""
    style = techniques["punctuation"]
    day = re.compile(r"\d{4}-\d{2}-\d{2}")
    return replace(
        text,
        subject=punctuated(text.subject, style),
        before=tuple(day.sub(lambda d: punctuated(d[0], style), p) for p in text.before),
        block=tuple((label, _value(value, techniques)) for label, value in text.block),
        rows=text.rows[:1] + tuple(tuple(_value(cell, techniques) for cell in row) for row in text.rows[1:]),
    )


def _hard(paragraph: str) -> list[str]:
    """Break a paragraph where a mail program would: at spaces, between Japanese characters anywhere but in a number."""
    lines, line = [], ""
    for piece in re.findall(r"[\x21-\x7e]+ ?|[^\x21-\x7e]", paragraph):
        if len(line) + len(piece) > (36 if not paragraph.isascii() else 72) and line:
            lines.append(line.rstrip(" "))
            line = ""
        line += piece
    return [*lines, line]


def _flowed(paragraph: str) -> list[str]:
    """Break at spaces and leave the space at the end (RFC 3676): the reader joins the lines."""
    lines, line = [], ""
    for word in re.findall(r"\S+ ?", paragraph):
        if len(line) + len(word) > 60 and line.endswith(" "):
            lines.append(line)
            line = ""
        line += word
    return [*lines, line]


def _soft_id(value: str) -> str:
    found = re.fullmatch(r"(.{4}[ \-–—].{4}[ \-–—])(.{4})", value)
    return f"{found[1]}\n{found[2]}" if found else value


def plain(text: Text, techniques: Techniques) -> str:
    wrap, lines = techniques["wrap"], list[str]()
    for paragraph in text.before:
        lines += [
            *(_hard(paragraph) if wrap == "hard" else _flowed(paragraph) if wrap == "flowed" else [paragraph]),
            "",
        ]
    if wrap == "soft id" and techniques["id"] != "hyphens":
        raise InfeasibleError
    for label, value in text.block:
        lines += f"{label}{_separator(techniques)}{_soft_id(value) if wrap == 'soft id' else value}".split("\n")
    lines += ["\t".join(row) for row in text.rows]
    lines += ["", *text.after, *([text.link] if text.link else []), ""]
    if wrap == "quoted":
        lines = [f"> {line}".rstrip() for line in lines]
    return "\n".join(lines)


def _split(text: str, techniques: Techniques) -> str:
    """Escape, then break words by tags or spaces by entities."""
    out = html.escape(text, quote=False)
    if techniques["form"] == "html nbsp":
        return out.replace(" ", "&nbsp;")
    if techniques["form"] == "html split" and len(text) > 3 and "&" not in out:
        half = len(out) // 2
        return f"<b>{out[:2]}</b>{out[2:half]}<span style='color:#111'>{out[half:]}</span>"
    return out


def page(text: Text, techniques: Techniques, above: str = "") -> str:
    """Return the text as HTML in one of its forms."""
    form, separator = techniques["form"], _separator(techniques)
    nbsp = form == "html nbsp"

    def prose(paragraph: str) -> str:
        escaped = html.escape(paragraph, quote=False)
        return escaped.replace(" on ", " on&nbsp;").replace("will expire", "will&nbsp;expire") if nbsp else escaped

    def cell(value: str) -> str:
        return f"<td>{_split(value, techniques)}</td>"

    out = [f"<p>{prose(p)}</p>" for p in text.before]
    if text.block and form in ("html paragraphs", "html one cell", "both"):
        out.append("<p>" + "<br>\n".join(f"{label}{separator}{html.escape(v)}" for label, v in text.block) + "</p>")
    elif text.block:
        mark = separator.strip()
        rows = "\n".join(
            f"<tr><td><strong>{_split(label, techniques)}{mark}</strong></td>{cell(value)}</tr>"
            for label, value in text.block
        )
        out.append(f"<table>\n{rows}\n</table>")
    if text.rows:
        head = "".join(f"<th>{_split(c, techniques)}</th>" for c in text.rows[0])
        rows = "\n".join("<tr>" + "".join(cell(c) for c in row) + "</tr>" for row in text.rows[1:])
        out.append(f"<table><thead><tr>{head}</tr></thead>\n<tbody>{rows}</tbody></table>")
    out += [f"<p>{html.escape(p)}</p>" for p in text.after]
    if text.link:
        out.append(f'<p><a href="{text.link}">Manage Your Apps</a></p>')
    body = "\n".join(out)
    if form == "html nested":
        body = (
            f'<table width="100%"><tr><td align="center"><table><tr><td>\n{body}\n</td></tr></table></td></tr></table>'
        )
    if form == "html one cell":
        space = '<td width="20">&nbsp;</td>'
        body = f'<table role="presentation"><tr>{space}<td>\n{body}\n</td>{space}</tr></table>'
    if techniques["wrap"] == "quoted":
        body = f'<blockquote type="cite">{body}</blockquote>'
    return f"{above}<div>{body}</div>"


# --- bytes: character sets, transfer encodings, MIME ---


def _codec(techniques: Techniques, language: str, lie: int) -> tuple[str, str]:
    if techniques["charset"] == "lying":
        return LIES.get(language, LIES[""])[lie % len(LIES.get(language, LIES[""]))]
    return CODECS.get(techniques["charset"], techniques["charset"]), techniques["charset"]


def _encoded(content: str, codec: str) -> bytes:
    try:
        return content.encode(codec)
    except UnicodeEncodeError as error:
        raise InfeasibleError from error


def part(content: str, kind: str, techniques: Techniques, codec: str, label: str) -> bytes:
    """Return one MIME leaf: its fields, an empty line, its bytes."""
    data, encoding = _encoded(content, codec), techniques["encoding"]
    if encoding == "7bit" and any(byte > 127 for byte in data):
        raise InfeasibleError
    if encoding == "base64":
        data = base64.encodebytes(data)
    elif encoding == "quoted-printable":
        data = quopri.encodestring(data)
    flowed = "; format=flowed" if techniques["wrap"] == "flowed" and kind == "plain" else ""
    head = f"Content-Type: text/{kind}; charset={label}{flowed}\nContent-Transfer-Encoding: {encoding}\n\n"
    return (head.encode() + data).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def multipart(kind: str, parts: list[bytes], boundary: str) -> bytes:
    out = f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n'.encode()
    return out + b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), p) for p in parts) + f"--{boundary}--\r\n".encode()


def encoded_word(text: str, codec: str, label: str) -> str:
    """Return a header text as RFC 2047 words, split between characters."""
    if text.isascii():
        return text
    words, chunk = [], ""
    for char in text:
        if len(_encoded(chunk + char, codec)) > 36:
            words.append(chunk)
            chunk = ""
        chunk += char
    words.append(chunk)
    return "\r\n ".join(f"=?{label}?B?{base64.b64encode(_encoded(w, codec)).decode()}?=" for w in words)


def _words(text: Text, codec: str, label: str, techniques: Techniques) -> tuple[str, str]:
    """Return the codec and label of header fields: a sender that lies about its body seldom lies there."""
    return ("utf-8", "utf-8") if techniques["charset"] == "lying" else (codec, label)


def mail(content: bytes, subject: str, sender: str, arrived: datetime, name: str, words: tuple[str, str]) -> bytes:
    shown, _, address = sender.rpartition(" <")
    head = (
        f"From: {encoded_word(shown, *words)} <{address}\r\nTo: {SHOP}\r\nSubject: {encoded_word(subject, *words)}\r\n"
        f"Date: {format_datetime(arrived)}\r\nMessage-ID: <{name.replace(' ', '.')}@mail.example>\r\nMIME-Version: 1.0\r\n"
    )
    return head.encode() + content


# --- forwarding ---

_FIELDS: Mapping[str, Mapping[str, tuple[str, str, str, str]]] = {
    "gmail": {"en": ("From", "Date", "Subject", "To"), "de": ("Von", "Date", "Subject", "To"), "fr": ("De", "Date", "Subject", "To"), "ja": ("From", "Date", "Subject", "To"), "zh": ("发件人", "Date", "Subject", "To")},
    "outlook": {"en": ("From", "Sent", "Subject", "To"), "de": ("Von", "Gesendet", "Betreff", "An"), "fr": ("De", "Envoyé", "Objet", "À"), "ja": ("差出人", "送信日時", "件名", "宛先"), "zh": ("发件人", "发送时间", "主题", "收件人")},
    "apple": {"en": ("From", "Date", "Subject", "To"), "de": ("Von", "Datum", "Betreff", "An"), "fr": ("De", "Date", "Objet", "À"), "ja": ("差出人", "日付", "件名", "宛先"), "zh": ("发件人", "日期", "主题", "收件人")},
}  # fmt: skip
_OPENING = {
    "gmail": dict.fromkeys(("en", "de", "ja", "zh", "fr"), "---------- Forwarded message ---------"),
    "outlook": dict.fromkeys(("en", "de", "ja", "zh", "fr"), "________________________________"),
    "apple": {"en": "Begin forwarded message:", "de": "Anfang der weitergeleiteten Nachricht:", "fr": "Début du message transféré :", "ja": "転送されたメッセージ：", "zh": "开始转发的邮件："},
}  # fmt: skip
_PREFIX = {("outlook", "en"): "FW: ", ("outlook", "de"): "WG: ", ("outlook", "fr"): "TR: ", ("outlook", "ja"): "FW: ", ("outlook", "zh"): "转发: ", ("apple", "zh"): "转发："}  # fmt: skip
_MONTHS = {
    "de": [
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ],
    "fr": [
        "janvier",
        "février",
        "mars",
        "avril",
        "mai",
        "juin",
        "juillet",
        "août",
        "septembre",
        "octobre",
        "novembre",
        "décembre",
    ],
}


def _quoted_date(arrived: datetime, language: str) -> str:
    if language in ("ja", "zh"):
        return f"{arrived.year}年{arrived.month}月{arrived.day}日 {arrived:%H:%M}"
    if language in _MONTHS:
        dot = "." if language == "de" else ""
        return f"{arrived.day}{dot} {_MONTHS[language][arrived.month - 1]} {arrived.year} {arrived:%H:%M}"
    return f"{arrived:%A, %B} {arrived.day}, {arrived.year} {arrived:%H:%M}"


def forwarded(text: Text, techniques: Techniques, arrived: datetime) -> tuple[str, str, str]:
    """Return the text, the HTML and the subject of a message forwarded inline by a mail program."""
    program, _, language = techniques["forward"].partition("-")
    names = _FIELDS[program][language]
    values = (text.sender, _quoted_date(arrived, language), text.subject, SHOP)
    colon = " : " if language == "fr" and program != "apple" else ": "
    head = [f"{name}{colon}{value}" for name, value in zip(names, values, strict=True)]
    inner = plain(text, techniques) if techniques["form"] in ("plain", "both") else ""
    quote = "> " if program == "apple" else ""
    body = "\n".join((quote + line).rstrip(" ") if quote else line for line in [*head, "", *inner.split("\n")])
    opening = _OPENING[program][language]
    shown = "<br>\n".join(html.escape(line) for line in head)
    above = f'<p>FYI</p><div class="quote">{html.escape(opening)}<br>\n{shown}<br><br></div>\n'
    return (
        f"FYI\n\n{opening}\n{'' if program != 'apple' else chr(10)}{body}\n",
        page(text, techniques, above) if techniques["form"] != "plain" else "",
        _PREFIX.get((program, language), "Fwd: ") + text.subject,
    )


# --- documents and containers ---


def document(text: Text, techniques: Techniques, name: str, lie: int = 0) -> bytes:
    """Return one message in its techniques."""
    arrived = datetime.combine(text.arrived, time(8, 5), timezone(timedelta(hours=-7)))
    codec, label = _codec(techniques, text.language, lie)
    words = _words(text, codec, label, techniques)
    text = _styled(text, techniques)
    if text.rows and (techniques["wrap"] in ("soft id", "hard", "flowed")):
        raise InfeasibleError
    forward, form = techniques["forward"], techniques["form"]
    if forward in ("none", "attachment"):
        written = plain(text, techniques) if form in ("plain", "both") else ""
        shown = f"<html><body>{page(text, techniques)}</body></html>" if form != "plain" else ""
        subject, sender = text.subject, text.sender
    else:
        written, shown, subject = forwarded(text, techniques, arrived)
        sender = "Owner <owner@shop.example>"
    if form == "plain":
        content = part(written, "plain", techniques, codec, label)
    elif form == "both":
        both = [part(written, "plain", techniques, codec, label), part(shown, "html", techniques, codec, label)]
        content = multipart("alternative", both, "both")
    else:
        content = part(shown, "html", techniques, codec, label)
    made = mail(content, subject, sender, arrived, name, words)
    if forward == "attachment":
        note = b"Content-Type: text/plain; charset=utf-8\r\n\r\nFYI\r\n"
        inner = b"Content-Type: message/rfc822\r\nContent-Disposition: attachment\r\n\r\n" + made
        outer = multipart("mixed", [note, inner], "outer")
        return mail(outer, "Fwd: " + subject, "Owner <owner@shop.example>", arrived, name + ".outer", words)
    return made


def ordinary(number: int) -> bytes:
    text = "Content-Type: text/plain\r\n\r\nYour order has been shipped.\r\nFrom here on it travels.\r\n"
    when = datetime(2024, 3, 1, 9, number % 60, tzinfo=timezone.utc)  # noqa: UP017 - one name of the zone is enough
    return mail(text.encode(), f"Order {number}", "Shop <shop@news.example>", when, f"o{number}", ("utf-8", "utf-8"))


def mbox(mails: list[bytes]) -> bytes:
    out = b""
    for content in mails:
        body = re.sub(rb"(?m)^(>*From )", rb">\1", content.replace(b"\r\n", b"\n")).rstrip(b"\n")
        out += b"From sender@mail.example Mon Mar 11 08:05:00 2024\n" + body + b"\n\n"
    return out


def _saved(text: Text, techniques: Techniques, lie: int) -> tuple[str, bytes]:
    """Return a page saved by a browser, or what somebody copied from it into a text file."""
    if techniques["forward"] != "none":
        raise InfeasibleError
    codec, label = _codec(techniques, text.language, lie)
    text = _styled(text, techniques)
    if techniques["container"] == "text file":
        if techniques["form"] != "plain" or (text.rows and techniques["wrap"] not in ("none", "quoted")):
            raise InfeasibleError
        if techniques["charset"] != "utf-8":  # nothing says which one it is
            raise InfeasibleError
        return "page.txt", _encoded("Seller Central\n\n" + plain(text, techniques), codec)
    if techniques["form"] in ("plain", "both") or techniques["wrap"] not in ("none", "quoted"):
        raise InfeasibleError
    head = f'<!DOCTYPE html><html><head><meta charset="{label}"><title>{html.escape(text.subject)}</title></head><body>'
    return "page.html", _encoded(f"{head}{page(text, techniques)}</body></html>", codec)


def case(techniques: Techniques, seed: int) -> Case:
    """Build one case; raises InfeasibleError where its techniques do not go together."""
    chance = random.Random(seed)
    make = GENUINE[techniques["text"]]
    text, lie, name = make(chance), chance.randrange(4), f"case-{seed}"
    if text.rows and (techniques["form"] in ("html paragraphs", "both") or techniques["id"] == "spaces"):
        raise InfeasibleError
    if not text.block and not text.rows and techniques["form"] in ("html table", "html split", "html nbsp"):
        raise InfeasibleError
    if not text.block and techniques["wrap"] == "soft id":
        raise InfeasibleError
    if techniques["form"] not in ("plain", "both") and techniques["wrap"] in ("soft id", "hard", "flowed"):
        raise InfeasibleError
    return built(text, techniques, name, lie, [make(chance) for _ in range(2)], chance)


def built(text: Text, techniques: Techniques, name: str, lie: int, more: list[Text], chance: random.Random) -> Case:
    """Put a text into its container; `more` are texts of the same kind for containers that hold several."""
    container, wants = techniques["container"], list(text.wants)
    arrived = datetime.combine(text.arrived, time(8, 5), timezone(timedelta(hours=-7)))
    match container:
        case "saved page" | "text file":
            if techniques["text"] in ("sokuhan", "accountone mail", "accountone error"):
                raise InfeasibleError  # what tells them is their subject or sender, which a page has not
            path, content = _saved(text, techniques, lie)
            files = {path: content}
        case "eml":
            path, files = "mail.eml", {"mail.eml": document(text, techniques, name, lie)}
        case "maildir" | "mbox":
            mails = [document(t, techniques, f"{name}.{n}", lie) for n, t in enumerate((text, *more))]
            wants += [want for t in more for want in t.wants]
            mails += [ordinary(n) for n in range(3)]
            chance.shuffle(mails)
            path = "Mail"
            files = {"Mail": mbox(mails)}
            if container == "maildir":
                folders = ("new", "cur")
                files = {f"Mail/{folders[n % 2]}/{1710000000 + n}.{n}.host:2,S": m for n, m in enumerate(mails)}
        case "digest":
            if techniques["forward"] != "none" or not all(want.fields for want in text.wants):
                raise InfeasibleError
            inner = [document(t, techniques, f"{name}.{n}", lie) for n, t in enumerate((text, *more))]
            # why: what one document says twice in the same words it says once
            wants += [want for t in more for want in t.wants]
            wants = list({(want.kind, *sorted(want.fields.items())): want for want in wants}.values())
            parts = [b"Content-Type: message/rfc822\r\n\r\n" + m for m in inner]
            whole = multipart("digest", parts, "digest")
            path = "digest.eml"
            files = {path: mail(whole, "Digest", "Owner <owner@shop.example>", arrived, name, ("utf-8", "utf-8"))}
        case _:  # several notices, one after the other, in one text
            named = "developer" in text.wants[0].fields
            if techniques["forward"] != "none" or not text.block or not named or techniques["form"] != "plain":
                raise InfeasibleError
            codec, label = _codec(techniques, text.language, lie)
            # why: two dates for one authorization in one text would contradict each other
            others = {t.wants[0].fields["developer"]: t for t in more if t.wants[0].fields != text.wants[0].fields}
            more = [t for name, t in others.items() if name != text.wants[0].fields["developer"]]
            if not more:
                raise InfeasibleError
            every = [_styled(t, techniques) for t in (text, *more)]
            wants += [want for t in more for want in t.wants]
            one = "\n----------\n\n".join(f"{t.subject}\n\n{plain(t, techniques)}" for t in every)
            content = part(one, "plain", techniques, codec, label)
            path = "digest.eml"
            words = _words(text, codec, label, techniques)
            files = {path: mail(content, "Summary", "Owner <owner@shop.example>", arrived, name, words)}
    return Case(
        name=f"{name}: " + ", ".join(techniques.values()), files=files, path=path, wants=tuple(wants),
        techniques=techniques, arrived=arrived,
    )  # fmt: skip


def _pairs(techniques: Techniques) -> set[tuple[tuple[str, str], ...]]:
    return set(combinations(sorted(techniques.items()), 2))


def genuine(count: int = GENUINE_COUNT, seed: int = 4) -> Iterator[Case]:
    """Yield cases that each bring as many new pairs of techniques as one of twenty-five tries can."""
    chance = random.Random(seed)
    seen: set[tuple[tuple[str, str], ...]] = set()
    for number in range(count):
        best: tuple[int, Case] | None = None
        tries = 0
        while tries < 25:
            techniques = {name: chance.choice(values) for name, values in CHOICES.items()}
            if chance.random() < 1 / 3:  # why: most containers hold only what nobody forwarded
                techniques["forward"] = "none"
            # why: each text comes round equally often, whatever else it can be combined with
            techniques["text"] = CHOICES["text"][number % len(CHOICES["text"])]
            new = len(_pairs(techniques) - seen)
            if best is not None and new <= best[0]:
                tries += 1
                continue
            try:
                made = case(techniques, number)
            except InfeasibleError:
                continue
            tries += 1
            best = new, made
        assert best is not None
        seen |= _pairs(best[1].techniques)
        yield best[1]


def counts(cases: Sequence[Case]) -> dict[str, Counter[str]]:
    """Return how often each technique was used, for the message of a failed test."""
    return {name: Counter(c.techniques[name] for c in cases) for name in CHOICES}


# --- what is wrong, and what only looks like a notice ---

WRITTEN: Techniques = {
    "text": "amazon en", "form": "plain", "encoding": "8bit", "charset": "utf-8", "wrap": "none",
    "punctuation": "as written", "id": "digits", "forward": "none", "container": "eml",
}  # fmt: skip
DRESSES: tuple[Techniques, ...] = tuple(
    {**WRITTEN, **dress}
    for dress in (
        *({"form": form} for form in CHOICES["form"]),
        {"encoding": "quoted-printable"},
        {"encoding": "base64", "form": "html table"},
        {"wrap": "quoted"},
        {"wrap": "flowed"},
        {"punctuation": "full width"},
        {"punctuation": "no space", "form": "html table"},
        *({"forward": forward, "form": form} for forward in ("gmail-en", "outlook-de", "apple-ja", "outlook-zh", "apple-fr") for form in ("plain", "html table")),
        {"forward": "attachment"},
        {"container": "saved page", "form": "html table"},
        {"container": "text file"},
    )
)  # fmt: skip
"""Forms that a notice that contradicts itself, and a look-alike, is put into: each technique on its own."""


def _with_date(text: Text, day: str) -> Text:
    old = text.wants[0].fields["expires"]
    return replace(
        text, before=tuple(p.replace(old, day) for p in text.before),
        block=tuple((label, value.replace(old, day)) for label, value in text.block),
    )  # fmt: skip


def _with_block(text: Text, index: int, value: str) -> Text:
    return replace(text, block=tuple((n, value if i == index else v) for i, (n, v) in enumerate(text.block)))


def wrong_texts(text: Text) -> Iterator[tuple[str, Text]]:
    """Yield what a notice would say that cannot be: each is to be `unparsed`, with no value."""
    number, last = text.block[0][1], len(text.block) - 1
    wrong = replace(text, wants=(replace(text.wants[0], status="unparsed", fields={}, wording=None),))
    yield "30 February", _with_date(replace(text, wants=text.wants), "2024-02-30")
    yield "month 13", _with_date(text, "2024-13-10")
    yield "year 9999", _with_date(text, "9999-04-10")
    yield "11 digits", _with_block(wrong, 0, number[:11])
    yield "13 digits", _with_block(wrong, 0, number + "7")
    yield "letters in the id", _with_block(wrong, 0, number[:11] + "O")
    yield "two ids", replace(wrong, block=(text.block[0], (text.block[0][0], "953818125270"), *text.block[1:]))
    yield "two names", replace(wrong, block=(*text.block[:2], (text.block[1][0], "Other Tools"), *text.block[2:]))
    yield "two dates", replace(wrong, block=(*text.block, (text.block[last][0], "2031-01-01")))
    if any(text.wants[0].fields["expires"] in p for p in text.before):
        yield "sentence and value", _with_block(wrong, last, "2031-01-01")


def contradictions(seed: int = 4) -> Iterator[Case]:
    """Yield each impossibility in each form and in three languages; the parts of `both` disagree, too."""
    for language in ("amazon en", "amazon ja", "amazon de guessed"):
        # why: what a language changes does not depend on how it was forwarded
        for dress in DRESSES if language == "amazon en" else DRESSES[: len(CHOICES["form"])]:
            chance = random.Random(seed)
            techniques = {**dress, "text": language}
            right = GENUINE[language](chance)
            for why, text in wrong_texts(right):
                unparsed = tuple(replace(w, status="unparsed", fields={}, wording=None) for w in right.wants)
                made = built(replace(text, wants=unparsed), techniques, f"wrong-{why}", 0, [], chance)
                yield replace(made, name=f"{why}: {', '.join(techniques.values())}")
            if dress["form"] == "both" and dress["forward"] == "none":
                yield _parts_that_disagree(right, techniques)


def _parts_that_disagree(text: Text, techniques: Techniques) -> Case:
    arrived = datetime.combine(text.arrived, time(8, 5), timezone(timedelta(hours=-7)))
    other = _with_date(text, "2031-01-01")
    parts = [part(plain(text, techniques), "plain", techniques, "utf-8", "utf-8"),
             part(page(other, techniques), "html", techniques, "utf-8", "utf-8")]  # fmt: skip
    content = mail(multipart("alternative", parts, "b"), text.subject, text.sender, arrived, "x", ("utf-8", "utf-8"))
    wants = tuple(replace(w, status="unparsed", fields={}, wording=None) for w in text.wants)
    return Case(name=f"parts disagree: {techniques['text']}", files={"mail.eml": content}, path="mail.eml",
                wants=wants, techniques=techniques, arrived=arrived)  # fmt: skip


def other_number_in_the_subject(seed: int = 4) -> Iterator[Case]:
    """Yield notices whose subject counts other days than the date does: a note for a person, and nothing else."""
    for language in ("amazon en", "amazon ja"):
        for dress in DRESSES:
            chance = random.Random(seed)
            text = GENUINE[language](chance)
            days = text.wants[0].days
            subject = text.subject.replace(days, "77")
            text = replace(text, subject=subject, wants=tuple(replace(w, days="77") for w in text.wants))
            techniques = {**dress, "text": language}
            made = built(text, techniques, "days", 0, [], chance)
            yield replace(made, name=f"77 days: {', '.join(techniques.values())}")


def look_alikes(seed: int = 4) -> Iterator[Case]:
    """Yield every look-alike in each form; `wants` is how it is named in its own mail, empty where it has no name."""
    for name, text in LOOK_ALIKES.items():
        for dress in DRESSES:
            techniques = {**dress, "text": name}
            made = built(text, techniques, "alike", 0, [], random.Random(seed))
            yield replace(made, name=", ".join(techniques.values()))


def to_cut(seed: int = 4) -> Iterator[Case]:
    """Yield one message of each form, for the test that cuts it off at each byte."""
    dresses: tuple[Techniques, ...] = (
        *({"form": form} for form in CHOICES["form"]),
        *({"encoding": encoding} for encoding in ("quoted-printable", "base64")),
        {"form": "both", "encoding": "quoted-printable"},
        {"text": "amazon ja", "charset": "iso-2022-jp", "encoding": "7bit"},
        {"text": "amazon ja", "charset": "shift_jis", "encoding": "base64"},
        {"text": "amazon ja without block", "encoding": "base64", "form": "html paragraphs"},
        {"text": "amazon zh guessed", "charset": "gb18030"},
        {"wrap": "quoted"}, {"wrap": "flowed"}, {"wrap": "soft id", "id": "hyphens"},
        {"forward": "gmail-en"}, {"forward": "apple-de", "form": "html table"}, {"forward": "attachment"},
        {"text": "page ja", "form": "html table"}, {"text": "page ja"}, {"text": "page en", "form": "html table"},
        {"text": "accountone dashboard", "form": "html table"},
        {"text": "accountone records"}, {"text": "accountone lines", "form": "both"},
    )  # fmt: skip
    for dress in dresses:
        techniques = {**WRITTEN, **dress}
        chance = random.Random(seed)
        made = built(GENUINE[techniques["text"]](chance), techniques, "cut", 0, [], chance)
        yield replace(made, name=", ".join(dress.values()))
