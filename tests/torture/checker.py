"""Whether the invariants I1-I8 hold: an independent look at what is there, never at what mailrules reports.

In: Evidence (the mailbox, the sink, the script's log, the SQLite file, how each poll ended). Out: sentences, none = all hold.
May not live here: any part of mailrules; faults. The SQLite file is read by plain SQL of our own.
"""

from __future__ import annotations

import email
import email.policy
import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.torture.scenario import AGENCY, OFFICE, OWNER, RUNG, Case, World

STDERR_LINES = 30
MEMORY = 300
MARK = "[unverified] "
UNREAD = "Look at a notice"
"""So begin tasks that hand to a person what could not be read; they say what stands in the mail."""
FIELDS = {
    "from", "to", "subject", "date", "message-id", "mime-version", "content-type", "content-transfer-encoding", "auto-submitted",
    "in-reply-to", "references", "x-auto-response-suppress", "precedence", "content-disposition", "reply-to",
}  # fmt: skip
"""The header fields that a mail of ours may have, beside those that begin with X-Mailrules."""
DAY = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")


@dataclass(frozen=True)
class Sent:
    """One mail as the sink took it."""

    recipients: tuple[str, ...]
    content: bytes


@dataclass(frozen=True)
class Ended:
    """How one process ended. `code` is None where it had to be ended after `seconds`; `memory`: the most it had, in MB."""

    code: int | None
    out: str
    err: str
    seconds: float
    limit: float = 60.0
    memory: int = 0


@dataclass
class Evidence:
    """What is left. `crashes`: how often a poll was ended or a hand-over cut, so that a mail may have gone out twice.

    `killed`: scripts may be in doubt. `may_fail`: what was refused for good may have failed. `may_pend`: a mail may wait.
    `loose`: other mail is in the mailbox, of which tasks may come: of "days", with no date but those announced; "marked",
    marked as unverified; "any". Scripts and mail to the outside may never come of it.
    """

    world: World
    store: Path
    sent: Sequence[Sent]
    log: Sequence[str]
    listing: Mapping[int, bytes]
    validity: int
    before: Mapping[str, bytes]
    after: Mapping[str, bytes]
    ends: Sequence[Ended] = ()
    crashes: int = 0
    killed: bool = False
    may_fail: bool = False
    may_pend: bool = False
    loose: str = ""
    codes: frozenset[int] = frozenset({0, 3, 75})
    secret: bytes = b""
    left: Sequence[str] = ()


def check(found: Evidence) -> list[str]:
    """Return every broken invariant as a sentence that begins with its name."""
    broken = [*_mailbox(found), *_ends(found)]
    try:
        store = sqlite3.connect(f"file:{found.store}?mode=ro", uri=True)
        store.row_factory = sqlite3.Row
        try:
            broken += [*_sound(store), *_kept(found, store), *_done(found, store)]
        finally:
            store.close()
    except sqlite3.Error as error:
        broken.append(f"I4 the store cannot be read: {error}")
    return broken


def _mailbox(found: Evidence) -> Iterator[str]:
    for name in found.before.keys() | found.after.keys():
        if name not in found.after:
            yield f"I5 {name} is gone from the mailbox, or its flags were changed"
        elif name not in found.before:
            yield f"I5 {name} is new in the mailbox, or its flags were changed"
        elif found.before[name] != found.after[name]:
            yield f"I5 the bytes of {name} were changed"


def _ends(found: Evidence) -> Iterator[str]:
    for ended in found.ends:
        if ended.code is None:
            yield f"I7 a poll was still at work after {ended.limit:.0f} s"
        elif ended.code not in found.codes:
            yield f"I6 a poll ended with {ended.code}: {ended.err.strip()[-300:]}"
        if "bug of ours" in ended.err:
            yield f"I6 a bug was met: {ended.err.strip()[-300:]}"
        if "Traceback" in ended.err + ended.out:
            yield f"I6 a traceback was shown: {ended.err.strip()[-300:]}"
        if ended.memory > MEMORY:
            yield f"I7 a poll took {ended.memory} MB, allowed are {MEMORY}"
        if len(ended.err.splitlines()) > STDERR_LINES:
            yield f"I6 {len(ended.err.splitlines())} lines on stderr: {ended.err[:200]}"
        if found.secret and found.secret in (ended.err + ended.out).encode("utf-8", "surrogateescape"):
            yield "I6 the password was shown"
        if ended.seconds > ended.limit:
            yield f"I7 a poll took {ended.seconds:.0f} s, allowed are {ended.limit:.0f}"
    for line in found.left:
        yield f"I7 a process was left behind: {line}"
    if found.secret and any(
        found.secret in path.read_bytes() for path in found.store.parent.glob("*") if path.is_file()
    ):
        yield "I6 the password stands beside or in the store"


def _sound(store: sqlite3.Connection) -> Iterator[str]:
    for row in store.execute("PRAGMA integrity_check"):
        if row[0] != "ok":
            yield f"I4 integrity: {row[0]}"
    for row in store.execute("PRAGMA foreign_key_check"):
        yield f"I4 foreign key: {tuple(row)}"


def _kept(found: Evidence, store: sqlite3.Connection) -> Iterator[str]:
    """I1 and I8: every message of the mailbox is in the store with its bytes, once."""
    contents = {row["digest"]: bytes(row["content"]) for row in store.execute("SELECT digest, content FROM contents")}
    for digest, content in contents.items():
        if hashlib.sha256(content).hexdigest() != digest:
            yield f"I1 the stored bytes {digest[:12]} are not what they were"
    places = {
        row["uid"]: row
        for row in store.execute(
            "SELECT uid, status, digest, reason FROM places WHERE uidvalidity = ?", (found.validity,)
        )
    }
    for uid, content in found.listing.items():
        place = places.get(uid)
        if place is None:
            yield f"I1 lost: nothing is known of message {uid}"
        elif place["status"] == "stored":
            if contents.get(place["digest"]) != content:
                yield f"I1 lost: message {uid} was stored with other bytes"
        elif place["status"] in ("pending", "unfetchable"):
            if not place["reason"]:
                yield f"I1 message {uid} is {place['status']} without a reason"
            elif not found.may_pend:
                yield f"I3 message {uid} is still {place['status']}: {place['reason']}"
        elif content in found.world.notices:
            yield f"I1 lost: the notice {uid} was {place['status']}: {place['reason']}"
        elif place["status"] != "passed over" and contents.get(place["digest"]) != content:
            yield f"I1 lost: message {uid} is {place['status']}, and its bytes were not kept"
    counted = Counter(row["digest"] for row in store.execute("SELECT digest FROM messages"))
    for digest, count in counted.items():
        if count > 1:
            yield f"I8 message {digest[:12]} was counted {count} times"
    due = [row[0] for row in store.execute("SELECT due FROM obligations")]
    wanted = len(found.world.cases)
    if not found.loose and len(due) != wanted:
        yield f"I8 {len(due)} deadlines are known, {wanted} are announced"


def _done(found: Evidence, store: sqlite3.Connection) -> Iterator[str]:
    """I2 and I3: each effect at most as often as declared, and in the end all of them."""
    effects = [
        dict(row)
        for row in store.execute(
            "SELECT action, target, state, developer_id, why FROM effects LEFT JOIN authorizations ON authorization = authorizations.id"
        )
    ]
    for effect in effects:
        allowed = {"done", "missed"} | ({"unknown"} if found.killed and effect["action"] == "run_script" else set())
        allowed |= {"failed"} if found.may_fail else set()
        if effect["state"] not in allowed:
            yield f"I3 {effect['action']} {effect['target']} ended as {effect['state']}: {effect['why']}"
    yield from _tasks(found, [row[0] for row in store.execute("SELECT title FROM tasks")])
    yield from _mails(found)
    yield from _scripts(found, effects)


def _tasks(found: Evidence, titles: Sequence[str]) -> Iterator[str]:
    left = Counter(titles)
    for title in [*(case.title for case in found.world.cases), *found.world.others]:
        fitting = [t for t in left if t.removeprefix(MARK) == title]
        count = sum(left.pop(t) for t in fitting)
        if count != 1:
            yield f"{'I2 twice' if count else 'I3 lost'}: task `{title}` was made {count} times"
    for title, count in left.items():
        allowed = {
            "": False, "days": not _invented(found.world, title), "marked": title.startswith(MARK), "any": True
        }[found.loose]  # fmt: skip
        if not allowed:
            yield f"I2 unasked: {count} tasks `{title}`"


def _invented(world: World, title: str) -> bool:
    """Tell whether a title names a day that no notice announces; of bad mail nobody may conclude one."""
    days = {case.expires.isoformat() for case in world.cases}
    told = "Trap Maker" in title or title.removeprefix(MARK).startswith(UNREAD)
    return any(day not in days for day in DAY.findall(title)) and not told


def _mails(found: Evidence) -> Iterator[str]:
    read = [(sent, email.message_from_bytes(sent.content, policy=email.policy.compat32)) for sent in found.sent]
    texts = [(sent, str(mail["Message-ID"]), _text(mail)) for sent, mail in read]
    for sent in found.sent:
        if not set(sent.recipients) <= {OWNER, AGENCY, OFFICE}:
            yield f"I2 unasked: a mail to {sent.recipients}"
    for _, mail in read:
        for name in mail.keys():  # noqa: SIM118 - a mail has a field as often as it has it
            if name.lower() not in FIELDS and not name.lower().startswith("x-mailrules"):
                yield f"I2 unasked: a mail of ours has the field {name}: {str(mail[name])[:80]}"
    for case in found.world.cases:
        owner = [(s, name) for s, name, text in texts if OWNER in s.recipients and case.told in text]
        yield from _counted(found, f"the notification of {case.developer}", owner, wanted=True)
        near = [(s, name) for s, name, text in texts if OFFICE in s.recipients and case.near in text]
        due = case.proven and (case.expires - found.world.today).days <= RUNG
        yield from _counted(found, f"the rung of {case.developer}", near, wanted=due)
        mark = case.number.encode()
        to_agency = [
            (s, name) for s, name, _ in texts
            if AGENCY in s.recipients and any(n in _attached(s.content) for n in _about(found.world, mark, case))
        ]  # fmt: skip
        yield from _counted(found, f"the forward of {case.developer}", to_agency, wanted=case.proven)
    forwarded = sum(AGENCY in sent.recipients for sent in found.sent)
    proven = sum(case.proven for case in found.world.cases)
    if forwarded > proven * (1 + found.crashes):
        yield f"I2 twice: {forwarded} mails went to the agency for {proven} deadlines"


def _about(world: World, mark: bytes, case: Case) -> list[bytes]:
    """Return the notices of a case; the encoded ones are told apart by their Message-ID, which names the developer."""
    return [content for content in world.notices if b"-" + mark + b"-" in content.split(b"\r\n\r\n", 1)[0]]


def _attached(content: bytes) -> bytes:
    """Return the attached original of a forward, decoded where it had to be encoded."""
    for piece in email.message_from_bytes(content).walk():
        if piece.get_content_type() in ("application/octet-stream", "message/rfc822"):
            decoded = piece.get_payload(decode=True)
            if isinstance(decoded, bytes) and decoded:
                return decoded
    return content


def _text(mail: email.message.Message) -> str:
    found = []
    for piece in mail.walk():
        if piece.get_content_maintype() == "text":
            content = piece.get_payload(decode=True)
            found.append(content.decode("utf-8", "replace") if isinstance(content, bytes) else "")
    return "\n".join([str(mail["Subject"]), *found])


def _counted(found: Evidence, what: str, sent: Sequence[tuple[Sent, str]], *, wanted: bool) -> Iterator[str]:
    names = {name for _, name in sent}
    if not wanted:
        if sent:
            yield f"I2 unasked: {what} went out"
        return
    if not sent and not found.may_fail:
        yield f"I3 lost: {what} never went out"
    if len(names) > 1:
        yield f"I2 twice: {what} went out under {len(names)} Message-IDs"
    if len(sent) > 1 + found.crashes:
        yield f"I2 twice: {what} went out {len(sent)} times after {found.crashes} crashes"


def _scripts(found: Evidence, effects: Sequence[Mapping[str, str]]) -> Iterator[str]:
    left = Counter(found.log)
    for case in found.world.cases:
        count = left.pop(case.line, 0)
        mine = [e for e in effects if e["action"] == "run_script" and e["developer_id"] == case.number]
        if count > int(case.proven):
            yield f"I2 {'twice' if case.proven else 'unasked'}: the script ran {count} times for {case.developer}"
        if case.proven and not count:
            doubted = [e for e in mine if e["state"] == "unknown" or (found.may_fail and e["state"] == "failed")]
            if not doubted:
                yield f"I3 lost: the script never ran for {case.developer}, and nobody is told"
    for line, count in left.items():
        yield f"I2 unasked: the script ran {count} times with `{line}`"
