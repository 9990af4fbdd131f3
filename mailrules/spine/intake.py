"""What comes in, into the store: new mail of each mailbox, documents given by hand, and the passing of time.

In: a Config, checked rules, an open store, a clock. Out: Intake: what was seen, which effects and events are new.
May not live here: performing, reading the clock by itself, decisions about mail or rules (pipeline.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mailrules.config import Account, Config
from mailrules.errors import MailrulesError, UnreadableError
from mailrules.mail.message import MessageKey, RawMessage
from mailrules.secret import secret
from mailrules.sources.imap import Header, ImapSession, ImapSettings, MailboxState, Missing
from mailrules.spine.anchors import Anchors, to_wait_for
from mailrules.spine.guard import Reader
from mailrules.spine.plan import Seen
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.effects import Effect
    from mailrules.ledger import Event
    from mailrules.notices.candidates import Candidates
    from mailrules.notices.notice import Trust
    from mailrules.pipeline import Ingest, Reading
    from mailrules.ruleset import RuleSet

Clock = Callable[[], datetime]
HEADERS_AT_ONCE = 500
BODIES_AT_ONCE = 20
BYTES_AT_ONCE = 16_000_000
RELIST, RELIST_SOON = timedelta(days=1), timedelta(hours=1)
"""So often a mailbox is listed as a whole: a server may have left a message out."""
TRIES = 3
"""So often the reading of one message is begun; then it is put aside."""


@dataclass(slots=True)
class Report:
    """What one account's poll did. `error` is set where it could not be finished.

    `changed` says that the poll before this one ended differently; `down_since` when the failing began that is now over.
    """

    account: str
    seen: int = 0
    candidates: int = 0
    notices: int = 0
    new_effects: int = 0
    error: MailrulesError | None = None
    changed: bool = False
    down_since: str = ""


def imap_settings(account: Account, max_message: int) -> ImapSettings:
    """Return what the IMAP source needs to know of an account."""
    return ImapSettings(
        account=account.name,
        host=account.host,
        port=account.port,
        tls=account.tls,
        user=account.user,
        ca_file=account.ca_file,
        max_message=max_message,
    )


def session_of(config: Config, account: Account) -> ImapSession:
    """Return the account's connection, not yet open."""
    return ImapSession(
        imap_settings(account, config.max_message), secret(account.password, config.folder, f"account {account.name}")
    )


def candidates_of(config: Config, account: Account, rules: RuleSet) -> Candidates:
    """Return what makes a candidate in one account."""
    from mailrules.notices.candidates import Candidates

    return Candidates(
        systems=rules.systems,
        wordings=rules.wordings,
        people=set(config.world.people.values()),
        everything=account.fetch == "all",
        asked=rules.index.waits_for("mail"),
    )


@dataclass(slots=True)
class Intake:
    """One run over what came in. `bounds` (of a plan) says how far each mailbox is read; without it, to its end."""

    config: Config
    rules: RuleSet
    store: Store
    clock: Clock
    bounds: Mapping[tuple[str, str], Seen] | None = None
    seen: list[Seen] = field(default_factory=list)
    new: list[Effect] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    _keys: set[str] = field(default_factory=set)
    _anchors: Anchors = field(init=False)

    def __post_init__(self) -> None:
        self._anchors = Anchors(self.config, self.store, self.rules)
        self._keys.update(self.store.effect_keys())

    def poll(self, account: Account, report: Report) -> None:
        """Take in the new mail of one account. Raises MailrulesError; what was committed before stays."""
        boxes = [m for m in account.mailboxes if self.bounds is None or (account.name, m) in self.bounds]
        if not boxes:
            return
        candidates = candidates_of(self.config, account, self.rules)
        with session_of(self.config, account) as session:
            for mailbox in boxes:
                self._mailbox(account, mailbox, session, candidates, report)

    def _mailbox(
        self, account: Account, mailbox: str, session: ImapSession, candidates: Candidates, report: Report
    ) -> None:
        state = session.examine(mailbox)
        cursor = self.store.cursor(account.name, mailbox)
        low = cursor.uid if cursor and cursor.uidvalidity == state.uidvalidity else 0
        if state.uidnext <= low:  # why: a server once named a message that cannot be; where it ends is UIDNEXT
            low = state.uidnext - 1
        bound = self.bounds[account.name, mailbox] if self.bounds is not None else None
        uids: list[int] = []
        if (
            bound is None or bound.uidvalidity == state.uidvalidity
        ):  # why: in a renumbered mailbox a bound means nothing
            again = self.store.pending_uids(account.name, mailbox, state.uidvalidity)
            new = session.uids(low) if state.uidnext > low + 1 else []
            if bound is None and self._whole_is_due(account, mailbox, state, len(new)):
                new = [*new, *self._overlooked(account, mailbox, state, session)]
            last = state.uidnext - 1 if bound is None else bound.uid
            uids = sorted(uid for uid in {*again, *new} if uid <= last)
        for some in _chunks(uids, HEADERS_AT_ONCE):
            self._take(account, session, candidates, list(session.headers(some)), report)
            with self.store.transaction():
                highest = max(low, *some)
                self.store.set_cursor(account.name, mailbox, state.uidvalidity, highest, self.clock().isoformat())
        reached = bound.uid if bound else max([low, *uids])
        self.seen.append(Seen(account=account.name, mailbox=mailbox, uidvalidity=state.uidvalidity, uid=reached))

    def _whole_is_due(self, account: Account, mailbox: str, state: MailboxState, new: int) -> bool:
        """Whether the whole mailbox is to be listed: once a day, and soon where it holds more than is known of it."""
        last = self.store.meta_get(_listed(account.name, mailbox))
        if last is None:
            self._whole_listed(account, mailbox)
            return False
        known = self.store.known_places(account.name, mailbox, state.uidvalidity)
        pause = RELIST_SOON if state.exists > known + new else RELIST
        return self.clock() - datetime.fromisoformat(last) >= pause

    def _overlooked(self, account: Account, mailbox: str, state: MailboxState, session: ImapSession) -> list[int]:
        """Return what a whole listing names and no place is known of, and what was given up; forget what is gone."""
        found = [uid for uid in session.uids(0) if uid < state.uidnext]
        now = self.clock().isoformat()
        with self.store.transaction():
            overlooked = self.store.compare_listing(account.name, mailbox, state.uidvalidity, found, now)
        self._whole_listed(account, mailbox)
        return overlooked

    def _whole_listed(self, account: Account, mailbox: str) -> None:
        now = self.clock().isoformat()
        self.store.meta_set(_listed(account.name, mailbox), now, now)

    def _take(
        self, account: Account, session: ImapSession, candidates: Candidates, headers: list[Header | Missing],
        report: Report,
    ) -> None:  # fmt: skip
        """Decide from header fields alone, fetch the bodies of candidates in small batches, commit each batch."""
        passed: list[tuple[MessageKey, str]] = []
        wanted: dict[int, tuple[Header, str]] = {}
        missing: list[MessageKey] = []
        for header in headers:
            if not isinstance(header, Header):
                missing.append(header.key)
                continue
            report.seen += 1
            reason = candidates.reason(header.block)
            if reason is None:
                passed.append((header.key, hashlib.sha256(header.block).hexdigest()))
            else:
                wanted[header.key.uid] = (header, reason)
        now = self.clock().isoformat()
        with self.store.transaction():
            self.store.passed_over_many(passed, now)
            for key in missing:
                self.store.pending(key, "the server did not give its header fields", now)
        report.candidates += len(wanted)
        for uids in self._batches(wanted):
            self._bodies(account, session, {uid: wanted[uid] for uid in uids}, report)

    def _batches(self, wanted: Mapping[int, tuple[Header, str]]) -> Iterator[list[int]]:
        """Yield the messages in turns that fit into memory."""
        turn: list[int] = []
        weight = 0
        for uid, (header, _) in wanted.items():
            if turn and (len(turn) >= BODIES_AT_ONCE or weight + header.size > BYTES_AT_ONCE):
                yield turn
                turn, weight = [], 0
            turn.append(uid)
            weight += header.size
        if turn:
            yield turn

    def _bodies(
        self, account: Account, session: ImapSession, wanted: Mapping[int, tuple[Header, str]], report: Report
    ) -> None:
        """Fetch some messages and take them in: together those that were never tried, the others each alone."""
        now = self.clock().isoformat()
        small = [uid for uid, (header, _) in wanted.items() if header.size <= self.config.max_message]
        bodies = {uid: content for uid, content in session.bodies(small) if content is not None} if small else {}
        with self.store.transaction():
            for uid, (header, _) in wanted.items():
                if uid not in small:
                    why = f"{header.size} bytes are more than max_message_mb allows"
                    self.store.unfetchable(header.key, why, now)
                elif uid not in bodies:
                    self.store.pending(header.key, "the server did not give its text", now)
        documents = []
        for uid, content in bodies.items():
            header, reason = wanted[uid]
            raw = RawMessage(
                source=f"{account.name}:{header.key.mailbox}", content=content, received_at=header.received_at,
                account=account.name, key=header.key,
            )  # fmt: skip
            documents.append((raw, header.key, reason))
        if not documents:
            return
        place = documents[0][1]
        tries = self.store.tries(account.name, place.mailbox, place.uidvalidity, bodies)
        fresh = [d for d in documents if not tries.get(d[1].uid)]
        for some in (fresh, *([d] for d in documents if tries.get(d[1].uid))):
            self._take_in(self._reader(account), some, report, tried=tries.get(some[0][1].uid, 0) if some else 0)

    def _take_in(
        self, reader: Reader, documents: Sequence[tuple[RawMessage, MessageKey, str]], report: Report, *, tried: int
    ) -> None:
        """Read and commit; what kills its reader is found out by the count of tries, which is committed before."""
        now = self.clock().isoformat()
        self.store.begin_reading([key for _, key, _ in documents], now)
        readings = []  # why here: nothing is parsed while the store is held
        for raw, key, reason in documents:
            digest = hashlib.sha256(raw.content).hexdigest()
            why = self.store.quarantined(digest)
            if not why and tried >= TRIES:
                why = f"mailrules was stopped {tried} times while it read this message"
            try:
                if not why:
                    signature = self._anchors.signature(raw, self.config.account(raw.account))
                    if later := to_wait_for(signature, raw.received_at, self.clock()):
                        self.store.pending(key, later, now)
                        self.store.reading_ended(key)
                        continue
                    readings.append((reader.read(raw, signature=signature, apart=tried > 1), reason))
            except UnreadableError as error:
                why = str(error)
            if why:
                self.store.quarantine(key, digest, raw.content, why, now)
        self._conclude_each(readings, report)

    def _conclude_each(self, readings: Sequence[tuple[Reading, str]], report: Report) -> None:
        """Commit readings together; where that fails by a bug of ours, each alone, and the one at fault is put aside."""
        before = (replace(report), len(self.new), len(self.events))
        try:
            with self.store.transaction():
                self._conclude(readings, report)
        except MailrulesError:
            raise
        except Exception as error:
            if self.bounds is not None:  # why: a plan is applied whole or not at all
                raise
            report.notices, report.new_effects = before[0].notices, before[0].new_effects
            del self.new[before[1] :], self.events[before[2] :]
            self._keys = self.store.effect_keys()
            if len(readings) > 1:
                for one in readings:
                    self._conclude_each([one], report)
                return
            raw, digest = readings[0][0].raw, readings[0][0].digest
            why = f"a bug of ours: {type(error).__name__}: {error}"
            if raw.key is None:
                raise UnreadableError(why) from error
            self.store.quarantine(raw.key, digest, raw.content, why, self.clock().isoformat())

    def document(self, account: Account, raw: RawMessage, reason: str, report: Report) -> None:
        """Take in one document that a person hands over. Raises UnreadableError.

        A page has no sender: who hands it over vouches for it. A mail is believed as far as it proves itself.
        """
        vouched: Trust | None = None if raw.media_type == "message/rfc822" else "confirmed"
        reading = self._reader(account, vouched).read(raw, signature=self._anchors.signature(raw, account))
        self._conclude_each([(reading, reason)], report)

    def _reader(self, account: Account, trust: Trust | None = None) -> Reader:
        return Reader(
            rules=self.rules, receiver=account.receiver, developers=self._anchors.developers(),
            senders=self._anchors.senders(), trust=trust,
        )  # fmt: skip

    def _conclude(self, readings: Sequence[tuple[Reading, str]], report: Report) -> None:
        """Commit all that some messages change; bytes that were concluded before change nothing again."""
        from mailrules.notices.trust import once_only
        from mailrules.pipeline import Ingest, conclude

        now = self.clock()
        ledger = self.store.ledger()
        for reading, reason in readings:
            if self.store.known(reading.digest):
                ingest = Ingest(ledger=ledger, reading=reading)
            else:
                earlier = self.store.said_under(reading.message.message_id, reading.digest)
                reading = replace(reading, notices=once_only(reading.notices, earlier))  # noqa: PLW2901 - capped
                ingest = conclude(reading, ledger, self.rules, self.config.world, now)
                report.notices += sum(n.status in ("read", "unparsed") for n in reading.notices)
            ledger = ingest.ledger
            report.new_effects += self._commit(ingest, now, reason)

    def tick(self) -> None:
        """Let time pass; nothing is written where nothing is due."""
        from mailrules.pipeline import tick

        now = self.clock()
        ingest = tick(self.store.ledger(), self.rules, self.config.world, now, self._keys)
        if ingest.authorizations or ingest.obligations or ingest.effects:
            with self.store.transaction():
                self._commit(tick(self.store.ledger(), self.rules, self.config.world, now, self._keys), now)

    def _commit(self, ingest: Ingest, now: datetime, reason: str = "") -> int:
        new = {e.key: e for e in reversed(ingest.effects) if e.key not in self._keys}
        self.new.extend(reversed(new.values()))
        self._keys.update(new)
        self.events.extend(ingest.events)
        return self.store.commit(ingest, now=now.isoformat(), reason=reason)


def _listed(account: str, mailbox: str) -> str:
    return f"listed {account} {mailbox}"


def _chunks(items: list[int], size: int) -> Iterator[list[int]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
