"""Wordings to matchers: a pattern with holes against folded text.

In: a wording's clauses and the fields they fill. Out: compiled clauses and wordings.
May not live here: searching (search.py), which notice wins, trust, reading of values.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import product

from mailrules.language.ast import Clause, FieldDefinition, Hole, NoticeDefinition, Pattern, Wording
from mailrules.language.values import fold
from mailrules.notices.fields import DATE_TOKENS

# why possessive (*+) and atomic (?>): these runs are hostile input and must not be tried twice
_LEAD = r"[ >*_|•·:\-]*+"
_SEPARATOR = r"[ *_|]*+:[ *_|:]*+"
_TRAIL = r"[ *_|:.,;。]*+"
_NOTHING = r"[ *_|:]*+"
_SQUEEZED_AWAY = str.maketrans("", "", " >*_|•·:-\t")
IDENTITY = ("developer_id", "developer")
"""The fields that tell one authorization from another, the better one first."""
INDEXED = 3
"""So many squeezed characters at the beginning of a line are its place in the index of lines."""

_FORWARDS = "fwd?|fw|wg|tr|rv|i|enc|doorst|vs|vb|転送|转发|轉寄"
FORWARDED = re.compile(rf"^(?:\s*(?:{_FORWARDS})\s*[:\uff1a]\s*)+", re.IGNORECASE)
"""Prefixes that mail programs put before the subject of a forward (en, de, fr, es, it, nl, fi, sv, ja, zh)."""

BEFORE_SUBJECT = re.compile(
    rf"^(?:\s*(?:(?:{_FORWARDS}|re|aw|sv|antw|返信|回复|回覆|答复)\s*[:\uff1a]"
    r"|[\[(<](?:external|extern|externe|ext|caution|warning|spam|suspected spam|社外|外部|外部邮件|外部メール)[\])>]:?|\*{3,5} ?spam ?\*{3,5}))+\s*",
    re.IGNORECASE,
)
"""What programs and gateways put before the words of a subject; forwards, answers, and marks of a mail from outside."""


@dataclass(frozen=True, slots=True)
class HoleType:
    """What fills a hole: the field's name, its type and date format."""

    field: str
    type: str
    format: str


@dataclass(frozen=True, slots=True)
class CompiledClause:
    """A clause ready to match.

    `label` fits the line that ends where the only hole would begin, where there is one. `heading` is, squeezed, what
    stands above a table's column of such values. `stop` fits lines that begin with a label of the same wording: no value is there.
    `must` is a squeezed text without which nothing fits; `begins` the squeezed beginning of a line that fits.
    """

    place: str
    source: str
    optional: bool
    expression: str
    holes: tuple[HoleType, ...]
    label_expression: str
    heading: str
    must: str
    begins: str
    stop_expression: str = ""

    @property
    def pattern(self) -> re.Pattern[str]:
        """What the whole clause fits; compiled when it is first tried, which most clauses never are."""
        return _compiled(self.expression)

    @property
    def label(self) -> re.Pattern[str] | None:
        """What its label alone fits, where it has one."""
        return _compiled(self.label_expression) if self.label_expression else None

    @property
    def stop(self) -> re.Pattern[str] | None:
        """What another label of the same wording fits."""
        return _compiled(self.stop_expression) if self.stop_expression else None


@dataclass(frozen=True, slots=True)
class CompiledWording:
    """One wording of one notice, ready to match."""

    definition: NoticeDefinition
    wording: Wording
    subject: tuple[CompiledClause, ...]
    body: tuple[CompiledClause, ...]
    titles: tuple[CompiledClause, ...]
    """The clauses of the subject that must be found."""
    required: tuple[CompiledClause, ...]
    """The clauses of the body that must be found."""
    reads_nothing: bool
    """Whether none of these has a hole: such a wording proves little by itself."""
    headings: frozenset[str]
    """What may stand above the columns of a table, and beside the values of a line."""
    begins: frozenset[str]
    """How the lines begin that a line of it fits, or that one of its headings stands in."""
    says: tuple[str, ...]
    """Without one of these, or a line that so begins, nothing of its body stands there."""
    words: tuple[CompiledClause, ...]
    """The clauses with a decisive word beside a label."""
    lone: CompiledClause | None
    """The one clause `line`, where there is one that says all there is to say of an object."""
    identity: CompiledClause | None
    """The line by which several objects are told apart."""


class Wordings(tuple[CompiledWording, ...]):  # noqa: SLOT001 - each index is made once, and kept
    """All wordings, and by what each can be known to be worth trying: numbers of those, in each index.

    `always` can give something without anything of them standing there.
    """

    @classmethod
    def of(cls, wordings: tuple[CompiledWording, ...]) -> Wordings:
        """Return wordings with their indexes."""
        return wordings if isinstance(wordings, cls) else cls(wordings)

    @cached_property
    def definitions(self) -> tuple[NoticeDefinition, ...]:
        """Return the notices that they are of."""
        return tuple({id(wording.definition): wording.definition for wording in self}.values())

    @cached_property
    def always(self) -> list[int]:
        """Return those that ask for nothing; where the body asks for nothing, the title must be there."""
        return [number for number, wording in enumerate(self) if not wording.required and not wording.titles]

    @cached_property
    def by_beginning(self) -> Mapping[str, list[int]]:
        """Return them by how their lines begin."""
        return self._by(lambda wording: wording.begins)

    @cached_property
    def by_title(self) -> Mapping[str, list[int]]:
        """Return them by what their subject cannot do without."""
        return self._by(lambda wording: [wording.titles[0].must] if wording.titles else [])

    @cached_property
    def by_words(self) -> Mapping[str, list[int]]:
        """Return them by what may stand anywhere in their body."""
        return self._by(lambda wording: wording.says)

    @cached_property
    def by_heading(self) -> Mapping[str, list[int]]:
        """Return them by what stands above the columns of their tables."""
        return self._by(lambda wording: wording.headings)

    def _by(self, keys: Callable[[CompiledWording], Iterable[str]]) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {}
        for number, wording in enumerate(self):
            for key in keys(wording):
                found.setdefault(key, []).append(number)
        return found


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    return re.compile(expression)


def squeeze(folded: str) -> str:
    """Return folded text without what may be more or less in a mail: spaces, dashes, colons, quote marks and rules."""
    return folded.translate(_SQUEEZED_AWAY)


def _literal(text: str, *, line: bool) -> str:
    """Return the expression of a plain piece: spaces may be missing; in a line a colon may be a table's next cell."""
    out = []
    for char in fold(f"x{text}x")[1:-1]:  # the x keep outer spaces from being trimmed
        if char == " ":
            out.append(" ?")
        elif char == ":" and line:
            out.append(_SEPARATOR)
        else:
            out.append(re.escape(char))
    return re.sub(r"(?: \?)*" + re.escape(_SEPARATOR) + r"(?: \?)*", lambda _: _SEPARATOR, "".join(out))


def _hole(hole: HoleType, *, last: bool, line: bool) -> str:
    """Return the expression of a hole; wide enough that a value of the wrong form is found and can be named."""
    if hole.type == "number":
        return r"([0-9]{1,9})"
    if not last:
        return r"([^ ].{0,200}?)"
    if line:
        return r"([^ ].{0,400})"
    if hole.type == "date":
        if "MMM" in hole.format:
            return rf"({_named_date(hole.format)}(?![0-9a-z])|[^ ]{{1,60}})"
        between = re.escape("".join(set(re.sub("[YMD]", "", fold(hole.format or "YYYY-MM-DD").upper()))))
        return rf"([0-9][0-9{between}]{{3,40}}(?![0-9a-z])|[^ ]{{1,60}})"
    if hole.type == "developer_id":
        return r"([0-9]{4} [0-9]{4} [0-9]{4}(?![0-9a-z])|[0-9\-]{4,40}(?![0-9a-z])|[^ ]{1,60})"
    return r"([^.。]{1,201})" if hole.type == "text" else r"([^ ]{1,60})"


def _named_date(form: str) -> str:
    """Return the expression of a folded date whose month is a word."""
    pattern, end = "", 0
    for token in [*DATE_TOKENS.finditer(form), None]:
        pattern += _literal(form[end : token.start() if token else None], line=False)
        if token:
            end = token.end()
            pattern += r"[^\W\d_]{3,12}+\.?" if token[0] in ("MMMM", "MMM") else "[0-9]{1,4}+"
    return pattern


def compile_clause(clause: Clause, written: Pattern, fields: Mapping[str, FieldDefinition]) -> CompiledClause:
    """Compile one clause in one of the ways it may be written; a hole's type is given in place or by the notice's field."""
    whole, line = clause.place != "says", clause.place == "line"
    pieces = written.pieces
    pattern, waiting, before_last = "", "", ""
    holes: list[HoleType] = []
    for index, piece in enumerate(pieces):
        if isinstance(piece, Hole):
            declared = fields.get(piece.name)
            kind = piece.type or (declared.type.value if declared else "text")
            form = piece.format or (declared.format.value if declared and declared.format else "")
            hole = HoleType(piece.name, kind, form)
            pattern += waiting
            if pattern and not pattern.endswith(("?", "*+")):
                pattern += " ?"  # why: a line break before a value is a space, also where none is written
            before_last = pattern
            waiting = _hole(hole, last=index == len(pieces) - 1, line=whole)
            holes.append(hole)
        else:
            literal = _literal(piece, line=line)
            pattern += f"(?>{waiting}{literal})" if waiting else literal
            waiting = ""
    ends_in_hole = bool(pieces) and isinstance(pieces[-1], Hole)
    pattern += waiting + (_TRAIL if whole and not ends_in_hole else "")
    label = ""
    if line and len(holes) == 1 and before_last and ends_in_hole:
        label = _LEAD + before_last.replace(_SEPARATOR, _NOTHING) + _TRAIL
    first = pieces[0] if pieces and isinstance(pieces[0], str) else ""
    heading = cell(_title(written)) if line else ""
    plain = [squeeze(fold(piece)) for piece in pieces if isinstance(piece, str)]
    return CompiledClause(
        clause.place, written.source.value, clause.optional, (_LEAD if whole else "") + pattern,
        tuple(holes), label, heading, max(plain, key=len, default=""), squeeze(fold(first))[:INDEXED] if line else "",
    )  # fmt: skip


def _title(written: Pattern) -> str:
    """Return the label that a line begins with, "" where it has none."""
    pieces = written.pieces
    first = pieces[0] if pieces and isinstance(pieces[0], str) else ""
    label, colon, _ = first.replace("\uff1a", ":").partition(":")
    return label.strip() if colon or len(pieces) > 1 else ""


def cell(text: str) -> str:
    """Return a table's cell as headings are compared."""
    return squeeze(fold(text)).rstrip(".,;。")


def compile_wordings(notices: tuple[NoticeDefinition, ...]) -> Wordings:
    """Compile every wording of every notice, look-alikes first: what is refused by name can never be read."""
    compiled = []
    known: dict[CompiledClause, CompiledClause] = {}
    for notice in sorted(notices, key=lambda n: n.refuse is None):
        fields = {field.name.value: field for field in notice.fields}
        for wording in notice.wordings:
            compiled += [_compile(notice, wording, written, fields, known) for written in _ways(wording)]
    return Wordings(compiled)


def _ways(wording: Wording) -> Iterator[list[tuple[Clause, Pattern]]]:
    """Yield the ways in which a wording may be written, that of all first patterns first.

    What is not required is read in each of its ways: it may stand there in several, and must agree.
    """
    choices = []
    for clause in wording.clauses:
        ways = [(clause, way) for way in clause.patterns]
        choices.append([ways] if clause.optional else [[way] for way in ways])
    for chosen in product(*choices):
        yield [way for ways in chosen for way in ways]


def _compile(
    notice: NoticeDefinition,
    wording: Wording,
    written: Sequence[tuple[Clause, Pattern]],
    fields: Mapping[str, FieldDefinition],
    known: dict[CompiledClause, CompiledClause],
) -> CompiledWording:
    titles = [_literal(_title(way), line=False) for clause, way in written if clause.place == "line" and _title(way)]
    stop = f"{_LEAD}(?:{'|'.join(titles)})[ *_|]*+(?::|$)" if titles else ""
    clauses = [compile_clause(clause, way, fields) for clause, way in written]
    clauses = [c if c.place == "subject" else replace(c, stop_expression=stop) for c in clauses]
    clauses = [known.setdefault(c, c) for c in clauses]  # why: what many wordings say alike is searched for once
    body = tuple(c for c in clauses if c.place != "subject")
    required = tuple(c for c in body if not c.optional)
    headings = frozenset(c.heading for c in body if c.heading)
    beginnings = {c.begins for c in body if c.place == "line"} | {heading[:INDEXED] for heading in headings}
    says = tuple(dict.fromkeys(c.must for c in body if c.place == "says"))
    lines = [c for c in body if c.place == "line"]
    identities = [
        c for name in IDENTITY for c in required if c.place == "line" and any(h.field == name for h in c.holes)
    ]
    return CompiledWording(
        definition=notice, wording=wording, subject=tuple(c for c in clauses if c.place == "subject"), body=body,
        titles=tuple(c for c in clauses if c.place == "subject" and not c.optional), required=required,
        reads_nothing=not any(c.holes for c in required), headings=headings,
        begins=frozenset(begins for begins in beginnings if len(begins) == INDEXED),
        says=("",) if any(len(begins) < INDEXED for begins in beginnings) else says,
        words=tuple(c for c in required if c.heading and not c.holes),
        lone=lines[0] if len(lines) == 1 and not lines[0].optional else None,
        identity=identities[0] if identities else None,
    )  # fmt: skip
