"""Sample mails to a drafted `notice` block; a nearly fitting line to a clause.

In: sample Messages, the systems that exist. Out: text in the rule language for an author to finish; it reads the samples.
May not live here: checking (ruleset.py does that to the draft), reading of mails, what counts as a notice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mailrules.language.ast import System
from mailrules.mail.message import Message
from mailrules.notices.fields import MAX_TEXT, Unreadable, read_value
from mailrules.notices.groups import Group, groups_of
from mailrules.notices.lines import Line
from mailrules.notices.patterns import CompiledClause

FORMATS = (
    "YYYY-MM-DD", "YYYY-M-D", "YYYY/M/D", "YYYY年M月D日", "D.M.YYYY", "D. M. YYYY", "MMMM D, YYYY", "MMM D, YYYY",
    "D. MMMM YYYY", "D. MMM YYYY", "D MMMM YYYY", "D MMM YYYY", "D de MMMM de YYYY",
)  # fmt: skip
"""Date formats that can be read in one way only, tried in this order."""
_SLASHES = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/[0-9]{4}")
_TYPED = re.compile(
    r"(?<![\w\-])(?:[0-9]{4}-[0-9]{4}-[0-9]{4}|[0-9]{12}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}"
    r"|[0-9]{1,2}\. ?[0-9]{1,2}\. ?[0-9]{4}|[^\W\d_]{3,12}\.? [0-9]{1,2}, [0-9]{4}"
    r"|[0-9]{1,2}(?:\.? | de )[^\W\d_]{3,12}\.?(?: | de )[0-9]{4})(?![0-9\-])"
    r"|(?<![0-9])[0-9]{4}年[0-9]{1,2}月[0-9]{1,2}日"
)
_NUMBER = re.compile(
    r"(?<![\w.\-/:])[0-9]{1,9}(?![\w.\-/:])|(?<=\s)[0-9]{1,4}(?=\s?[^\W\d_])|(?<=[^\W\da-zA-Z_])[0-9]{1,4}(?=[^\W\da-zA-Z_])"
)
_DAY_WORD = re.compile(r"\s?(?:days?|tag|jour|giorn|día|dia|dni|dage|日|天)", re.IGNORECASE)
_NAME_LABEL = re.compile(
    r"name|provider|developer|entwickler|anbieter|fournisseur|名|開発者|开发者|应用|アプリ|app", re.IGNORECASE
)
_END_LABEL = re.compile(
    r"expir|until|valid|end|ablauf|bis|läuft|gültig|期限|到期|有效|fin|scad|caduc|verval|wyga", re.IGNORECASE
)
_LABEL = re.compile(r"[ >*_|•·\-\t]*([^:\uff1a\t]{2,60}?)[ *_]*(?:[:\uff1a]|\t)[ \t*_|:]*(.*)", re.DOTALL)
MAX_LINES = 400
MAX_CLAUSES = 12


@dataclass(frozen=True, slots=True)
class _Value:
    """What stands behind a label: its type, for a date its format ("" where it can be read in two ways)."""

    type: str
    format: str
    text: str


def quoted(text: str) -> str:
    """Return a text as the rule language writes it."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _plain(text: str) -> str:
    """Return text of a mail as a pattern without holes."""
    return " ".join(text.split()).replace("{", "{{").replace("}", "}}")


def _typed(text: str) -> _Value | None:
    """Return a value of one of the types that can be told from their form."""
    bare = text.strip(" \t*_|").rstrip(".,;。")
    if len(bare) > MAX_TEXT:
        return None
    if not isinstance(read_value("developer_id", "", bare), Unreadable):
        return _Value("developer_id", "", bare)
    for form in FORMATS:
        if not isinstance(read_value("date", form, bare), Unreadable):
            return _Value("date", form, bare)
    if found := _SLASHES.fullmatch(bare):
        first, second = int(found[1]), int(found[2])
        form = "D/M/YYYY" if first > 12 else "M/D/YYYY" if second > 12 else ""
        return _Value("date", form, bare)
    return None


def clause_from(clause: CompiledClause, text: str, types: Mapping[str, str]) -> str:
    """Return the pattern that a line gives with the holes of a clause; "" where a hole has no place in it."""
    line = " ".join(text.strip(" >*_|•·-\t").split(" "))
    if not clause.holes:
        return _plain(line)
    if clause.place == "line" and len(clause.holes) == 1 and (found := _LABEL.fullmatch(line)):
        hole, value = clause.holes[0], _typed(found[2])
        name = hole.field if hole.field in types else f"{hole.field}: {hole.type}"
        if (
            hole.type == "date"
            and value
            and value.type == "date"
            and value.format not in ("", hole.format or FORMATS[0])
        ):
            name = f"{hole.field}: date {value.format}"
        return f"{_plain(found[1])}: {{{name}}}"
    out, at = "", 0
    for hole in clause.holes:
        pattern = _NUMBER if hole.type == "number" else _TYPED
        match = pattern.search(line, at) if hole.type in ("number", "date", "developer_id") else None
        if match is None:
            return ""
        name = hole.field if hole.field in types else f"{hole.field}: {hole.type}"
        out += f"{_plain_piece(line[at : match.start()])}{{{name}}}"
        at = match.end()
    rest = _plain_piece(line[at:]) if clause.place != "says" else ""
    return (out + rest).strip()


def _plain_piece(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("{", "{{").replace("}", "}}")


# --- a whole notice from samples ----------------------------------------------------------------------------------


def draft_notice(messages: Sequence[Message], systems: Sequence[System]) -> str:
    """Return a drafted `notice` block, with a `system` block where no system has the sender's domain."""
    samples = [_mail(message) for message in messages]
    domain = samples[0].domain
    owner = next((s.name.value for s in systems if domain in {d.value.lower() for d in s.domains}), "")
    fields: dict[str, str] = {}
    subject = _subject([" ".join(line.text for line in sample.subject.lines) for sample in samples])
    body = _body(samples, fields)
    out = [
        f"# Drafted from {len(samples)} sample{'s' if len(samples) > 1 else ''}. Give the notice its kind, the fields their names",
        "# and the wording its language instead of xx; then write a test.",
        "",
    ]
    if not owner:
        owner = "my_system"
        title = domain.rpartition(".")[0].rpartition(".")[2].capitalize() or "My system"
        sender = f"  mail from {quoted(domain)}\n" if domain else ""
        out += [
            f"system {owner} {quoted(title)} {{",
            *([sender.rstrip()] if sender else []),
            '  how en "Say here what is to be done."',
            "}",
            "",
        ]
    out.append(f"notice my_notice of {owner} {{")
    out += [f"  {name}: {rest}" for name, rest in fields.items()]
    out += ["", "  wording xx {"]
    out += [f"    {clause}" for clause in [*subject, *body]]
    return "\n".join([*out, "  }", "}"]) + "\n"


def _mail(message: Message) -> Group:
    """Return the mail that a sample is about: the innermost that was forwarded."""
    while message.attached:
        message = message.attached[0]
    return groups_of(message)[-1]


def _subject(subjects: Sequence[str]) -> list[str]:
    patterns = {_with_numbers(subject) for subject in subjects}
    if len(patterns) == 1 and (pattern := patterns.pop()):
        return [f"subject {quoted(pattern)}"]
    words = [subject.split() for subject in subjects]
    first, last = 0, 0
    shortest = min(len(w) for w in words)
    while first < shortest and len({w[first] for w in words}) == 1:
        first += 1
    while last < shortest - first and len({w[-1 - last] for w in words}) == 1:
        last += 1
    head, tail = " ".join(words[0][:first]), " ".join(words[0][len(words[0]) - last :])
    if len(head + tail) < 8:
        return ["# the subjects have too little in common"]
    return [f"subject {quoted(' '.join(filter(None, [_plain(head), '{about: text}', _plain(tail)])))}"]


def _with_numbers(subject: str) -> str:
    """Return a subject with a hole for each number in it."""
    out, at = "", 0
    for count, match in enumerate(_NUMBER.finditer(subject), 1):
        name = "days" if count == 1 and _DAY_WORD.match(subject, match.end()) else f"number{count}"
        out += f"{_plain_piece(subject[at : match.start()])}{{{name}: number}}"
        at = match.end()
    return (out + _plain_piece(subject[at:])).strip()


def _body(samples: Sequence[Group], fields: dict[str, str]) -> list[str]:
    """Return the clauses of lines that all samples have, and declare their fields."""
    labelled = [_labelled(sample) for sample in samples]
    clauses: list[str] = []
    names: dict[tuple[str, ...], str] = {}
    for label in labelled[0]:
        if len(clauses) == MAX_CLAUSES or any(label not in found for found in labelled):
            continue
        values = [found[label] for found in labelled]
        name = _name(label, values, names, fields)
        if name:
            clauses.append(f"line {quoted(f'{_plain(label)}: {{{name}}}')}")
    clauses += _sentences(samples, names, fields)
    return clauses or _saying(samples)


def _labelled(sample: Group) -> dict[str, _Value]:
    """Return the labels of a mail with the value of each: beside it, or on the line below."""
    found: dict[str, _Value] = {}
    for text in sample.texts:
        lines = text.searched.lines[:MAX_LINES]
        for index, line in enumerate(lines):
            match = _LABEL.fullmatch(line.text)
            if not match or match[1].lower().startswith(("http", "mailto")) or "//" in match[2][:2]:
                continue
            value = match[2].strip(" \t*_|") or _below(lines, index)
            label = " ".join(match[1].split())
            if value and len(value) <= MAX_TEXT and label not in found:
                found[label] = _typed(value) or _Value("text", "", value)
        if found:
            break  # why: the parts say the same; the second would only name its labels differently
    return found


def _below(lines: Sequence[Line], index: int) -> str:
    if index + 1 == len(lines) or "\t" in lines[index].text or _LABEL.fullmatch(lines[index + 1].text):
        return ""
    return lines[index + 1].text.strip(" >\t*_|")


def _name(label: str, values: Sequence[_Value], names: dict[tuple[str, ...], str], fields: dict[str, str]) -> str:
    """Return the field for a label and declare it; "" where nothing speaks for reading this line."""
    kinds = {value.type for value in values}
    kind = kinds.pop() if len(kinds) == 1 else "text"
    differ = len({value.text for value in values}) > 1
    if kind == "text" and not (_NAME_LABEL.search(label) or differ):
        return ""
    forms = {value.format for value in values}
    said = (kind, *(value.text for value in values))
    if said in names:
        return names[said]
    if kind == "developer_id":
        name, declared = _free("developer_id", fields), "developer_id"
    elif kind == "date":
        form = next(iter(forms - {""}), "") if len(forms - {""}) == 1 else ""
        name = _free("expires" if _END_LABEL.search(label) and "expires" not in fields else "date", fields)
        declared = f"date {quoted(form)}"
        if not form:
            name = _free(f"{name}_text", fields)
            shown = values[0].text
            declared = f'text  # {shown} can be read in two ways; choose date "D/M/YYYY" or date "M/D/YYYY"'
    else:
        name, declared = (
            _free("developer" if _NAME_LABEL.search(label) and "developer" not in fields else "text", fields),
            "text",
        )
    names[said] = name
    fields[name] = declared
    return name


def _free(name: str, fields: Mapping[str, str]) -> str:
    if name not in fields and name not in ("date", "text"):
        return name
    return next(f"{name}{n}" for n in range(1, len(fields) + 2) if f"{name}{n}" not in fields)


def _sentences(samples: Sequence[Group], names: dict[tuple[str, ...], str], fields: dict[str, str]) -> list[str]:
    """Return `says` for sentences that name a date or an id; one that a line names, too, must then agree."""
    found = [_typed_sentences(sample) for sample in samples]
    clauses: list[str] = []
    for head, value in found[0].items():
        if any(head not in other for other in found) or len(clauses) == 3:
            continue
        values = [other[head] for other in found]
        forms = {v.format for v in values}
        said = (value.type, *(v.text for v in values))
        if len(forms) > 1 or not (said in names or not names):
            continue
        name = names.get(said) or _name("expires" if value.type == "date" else head, values, names, fields)
        declared = fields[name]
        same = declared == value.type or declared.startswith(f"{value.type} {quoted(value.format)}")
        if same:
            clauses.append(f"says {quoted(f'{head} {{{name}}}')}")
    return clauses


def _typed_sentences(sample: Group) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for text in sample.texts:
        for line in text.searched.lines[:MAX_LINES]:
            if len(line.text) > 2000:
                continue
            for match in _TYPED.finditer(line.text):
                head = _plain(re.split(r"[.!?。:\uff1a]", line.text[: match.start()])[-1].strip(" >\t*_|"))
                value = _typed(match[0])
                if value and len(head) >= 8 and head not in found:
                    found[head[-100:]] = value
    return found


def _saying(samples: Sequence[Group]) -> list[str]:
    """Return the longest sentence that all samples have, where there is nothing to read."""
    lines = [{" ".join(line.text.split()) for t in s.texts for line in t.searched.lines[:MAX_LINES]} for s in samples]
    common = [line for line in set.intersection(*lines) if 12 <= len(line) <= 120] if lines else []
    return [f"says {quoted(_plain(max(sorted(common), key=len)))}"] if common else []
