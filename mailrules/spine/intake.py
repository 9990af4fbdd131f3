"""What comes in, into the store: new mail of each mailbox, documents given by hand, and the passing of time.

In: a Config, checked rules, an open store, a clock. Out: Intake: what was seen, which effects and events are new.
May not live here: performing, reading the clock by itself, decisions about mail or rules (pipeline.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from mailrules.config import Account, Config
from mailrules.errors import MailrulesError, UnreadableError
from mailrules.sources.imap_types import Header, Missing
from mailrules.spine.live import Gate
from mailrules.spine.mailboxes import Mailboxes, Seen
from mailrules.spine.pool import away
from mailrules.spine.reaching import reached
from mailrules.store import Store

if TYPE_CHECKING:
    from mailrules.effects import Effect
    from mailrules.ledger import Event, Ledger
    from mailrules.mail.message import AuthVerdict, MessageKey, RawMessage
    from mailrules.notices.candidates import Candidates
    from mailrules.notices.notice import Trust
    from mailrules.pipeline import Ingest, Reading
    from mailrules.ruleset import RuleSet
    from mailrules.sources.imap import ImapSession
    from mailrules.sources.line import Line
    from mailrules.spine.anchors import Anchors
    from mailrules.spine.guard import Reader

Clock = Callable[[], datetime]
T = TypeVar("T")
BODIES_AT_ONCE = 100
BYTES_AT_ONCE = 16_000_000
TRIES = 3
"""So often the reading of one message is begun; then it is put aside."""


class Report:
    """What one account's poll did. `error` is set where it could not be finished.

    `changed` says that the poll before this one ended differently; `down_since` when the failing began that is now over.
    """

    def __init__(self, account: str) -> None:
        self.account = account
        self.seen = self.candidates = self.notices = self.new_effects = 0
        self.error: MailrulesError | None = None
        self.changed = False
        self.down_since = ""


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


class Intake:
    """One run over what came in. `bounds` (of a plan) says how far each mailbox is read; without it, to its end.

    `since`: a mailbox that is read for the first time is read from that day on. `progress` is told an account, how many of
    its messages were looked at, and how many there are to look at.
    """

    def __init__(
        self, config: Config, gate: Gate, store: Store, clock: Clock, bounds: Mapping[tuple[str, str], Seen] | None = None, *,
        since: date | None = None, progress: Callable[[str, int, int], None] = lambda _account, _done, _all: None,
    ) -> None:  # fmt: skip
        self.config, self.gate, self.store, self.clock = config, gate, store, clock
        self.bounds, self.since, self.progress = bounds, since, progress
        self.seen: list[Seen] = []
        self.new: list[Effect] = []
        self.events: list[Event] = []

    @property
    def rules(self) -> RuleSet:
        """The rules, loaded when the first message or deadline is looked at."""
        return self.gate.rules

    @cached_property
    def _anchors(self) -> Anchors:
        from mailrules.spine.anchors import Anchors

        return Anchors(self.config, self.store, self.rules)

    @cached_property
    def _keys(self) -> set[str]:
        return self.store.effect_keys()

    async def poll(self, account: Account, report: Report, line: Line | None = None) -> None:
        """Take in the new mail of one account. Raises MailrulesError; what was committed before stays. `line`: to its server."""
        boxes = Mailboxes(store=self.store, clock=self.clock, bounds=self.bounds, since=self.since)
        if not boxes.wanted(account):
            return
        candidates: Candidates | None = None
        async with reached(self.config, self.store, account, self.clock, line) as session:
            async for visit in boxes.visits(account, session):
                left, read = report.seen + len(visit.uids) + len(visit.again), visit.low
                for some in boxes.turns(account, visit):
                    with boxes.turn(account, visit, some, session):
                        self.progress(account.name, report.seen, left)
                        headers = await away(_all_of, session.headers, some)
                        candidates = candidates or candidates_of(self.config, account, self.rules)
                        wanted = _wanted(candidates, headers)
                        with self.store.transaction():
                            # why only now: it costs no commit of its own, and until then each message is known by its row
                            if read > visit.low:
                                boxes.read_to(account, visit, read)
                            self._pass_over(session, headers, wanted)
                        report.seen += sum(isinstance(header, Header) for header in headers)
                        report.candidates += len(wanted)
                        for uids in self._batches(wanted):
                            await self._bodies(account, session, {uid: wanted[uid] for uid in uids}, report)
                    read = max(read, *some)
                read = max(read, visit.ended)
                if read > visit.low:  # why last: what was begun is asked for again
                    with self.store.transaction():
                        boxes.read_to(account, visit, read)
                self.seen.append(
                    Seen(account=account.name, mailbox=visit.mailbox, uidvalidity=visit.uidvalidity, uid=visit.reached)
                )

    def _pass_over(self, session: ImapSession, headers: Iterable[Header | Missing], wanted: Collection[int]) -> None:
        """Write down what is passed over, with the digest of its header fields, and what the server did not give.

        It is committed before bodies are fetched: a poll that is stopped then need not ask for all the header fields again.
        """
        now = self.clock().isoformat()
        passed = []
        for header in headers:
            if not isinstance(header, Header):
                self.store.pending(session.key(header.uid), "the server did not give its header fields", now)
            elif header.uid not in wanted:
                passed.append((header.uid, hashlib.sha256(header.block).hexdigest()))
        self.store.passed_over(*session.place, passed, now)

    def _batches(self, wanted: Mapping[int, tuple[Header, str]]) -> Iterator[list[int]]:
        """Yield the messages in turns that fit into memory."""
        turn: list[int] = []
        weight = 0
        for uid, (header, _) in wanted.items():
            size = header.size or 0
            if turn and (len(turn) >= BODIES_AT_ONCE or weight + size > BYTES_AT_ONCE):
                yield turn
                turn, weight = [], 0
            turn.append(uid)
            weight += size
        if turn:
            yield turn

    async def _bodies(
        self, account: Account, session: ImapSession, wanted: Mapping[int, tuple[Header, str]], report: Report
    ) -> None:
        """Fetch some messages and take them in: together those that were never tried, the others each alone."""
        from mailrules.mail.message import RawMessage

        now = self.clock().isoformat()
        small = [uid for uid, (header, _) in wanted.items() if (header.size or 0) <= self.config.max_message]
        fetched = await away(_all_of, session.bodies, small) if small else []
        bodies = {uid: content for uid, content in fetched if content is not None}
        if len(bodies) < len(wanted):
            with self.store.transaction():
                for uid, (header, _) in wanted.items():
                    if uid not in small:
                        why = f"{header.size} bytes are more than max_message_mb allows"
                        self.store.unfetchable(session.key(uid), why, now)
                    elif uid not in bodies:
                        self.store.pending(session.key(uid), "the server did not give its text", now)
        documents = []
        for uid, content in bodies.items():
            (header, reason), key = wanted[uid], session.key(uid)
            raw = RawMessage(
                source=f"{account.name}:{key.mailbox}", content=content, received_at=header.received_at or self.clock(),
                account=account.name, key=key,
            )  # fmt: skip
            documents.append((raw, key, reason))
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
        from mailrules.spine.anchors import to_wait_for

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
                    readings.append((self._read(reader, raw, signature, apart=key if tried > 1 else None), reason))
            except UnreadableError as error:
                why = str(error)
            if why:
                self.store.quarantine(key, digest, raw.content, why, now)
        self._conclude_each(readings, report)

    def _read(
        self, reader: Reader, raw: RawMessage, signature: AuthVerdict | None, *, apart: MessageKey | None
    ) -> Reading:
        """Read one message, `apart` in a process of its own, which takes seconds: a poll stopped in them is no try."""
        if apart is None:
            return reader.read(raw, signature=signature)
        self.store.reading_apart(apart)
        reading = reader.read(raw, signature=signature, apart=True)
        self.store.begin_reading([apart], self.clock().isoformat())
        return reading

    def _conclude_each(self, readings: Sequence[tuple[Reading, str]], report: Report) -> None:
        """Commit readings together; where that fails by a bug of ours, each alone, and the one at fault is put aside."""
        before = (report.notices, report.new_effects, len(self.new), len(self.events))
        try:
            with self.store.transaction():
                self._conclude(readings, report)
        except MailrulesError:
            raise
        except Exception as error:
            if self.bounds is not None:  # why: a plan is applied whole or not at all
                raise
            report.notices, report.new_effects = before[:2]
            del self.new[before[2] :], self.events[before[3] :]
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
        from mailrules.spine.guard import Reader

        return Reader(
            rules=self.rules, receiver=account.receiver, developers=self._anchors.developers(),
            senders=self._anchors.senders(), trust=trust,
        )  # fmt: skip

    def _conclude(self, readings: Sequence[tuple[Reading, str]], report: Report) -> None:
        """Commit all that some messages change; bytes that were concluded before change nothing again."""
        from dataclasses import replace

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

    def tick(self, without: Collection[str] = ()) -> None:
        """Let time pass; nothing is written where nothing is due. `without`: accounts whose mail is still being read.

        What has not been read yet may say that a deadline is settled.
        """
        from mailrules.pipeline import tick

        now = self.clock()
        ingest = tick(self._ledger(without), self.rules, self.config.world, now, self._keys)
        if ingest.authorizations or ingest.obligations or ingest.effects:
            with self.store.transaction():
                self._commit(tick(self._ledger(without), self.rules, self.config.world, now, self._keys), now)

    def _ledger(self, without: Collection[str]) -> Ledger:
        from dataclasses import replace

        whole = self.store.ledger()
        subjects = {id_: a for id_, a in whole.authorizations.items() if a.account not in without}
        owed = {key: o for key, o in whole.obligations.items() if o.authorization in subjects}
        return replace(whole, authorizations=subjects, obligations=owed)

    def _commit(self, ingest: Ingest, now: datetime, reason: str = "") -> int:
        new = {e.key: e for e in reversed(ingest.effects) if e.key not in self._keys}
        self.new.extend(reversed(new.values()))
        self._keys.update(new)
        self.events.extend(ingest.events)
        return self.store.commit(ingest, now=now.isoformat(), reason=reason)


def _wanted(candidates: Candidates, headers: Iterable[Header | Missing]) -> dict[int, tuple[Header, str]]:
    """Return the candidates by their UIDs, each with the reason: decided from header fields alone."""
    told = [header for header in headers if isinstance(header, Header)]
    reasons = candidates.among([header.block for header in told])
    return {told[place].uid: (told[place], reason) for place, reason in reasons.items()}


def _all_of(ask: Callable[[Sequence[int]], Iterator[T]], uids: Sequence[int]) -> list[T]:
    return list(ask(uids))
