"""One notice into the ledger: what it warns of. An append-only fold; events only come on top.

In: a Ledger and a Sighting. Out: Observed. The rules, in short: the same notice twice changes only counts; what is
less believed neither settles nor hides; of two equally believed words the one written later holds.
May not live here: I/O, rules, effects; notices that are evidence of renewal (evidence.py).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from mailrules.ledger import evidence
from mailrules.ledger.draft import Draft
from mailrules.ledger.joining import draft_about
from mailrules.ledger.records import (
    ENTERED,
    HISTORY_AFTER,
    OVER,
    Ledger,
    Obligation,
    ObligationState,
    Observed,
    Sighting,
    better,
    enough,
    newest,
    rank,
)

FINE = frozenset({"active", "ok"})
GONE = frozenset({"expired", "disabled"})
HISTORY = "its date passed long ago: it is history"
Taken = tuple[Obligation | None, str]
"""The obligation that a sighting is about, and why rules have nothing to do about it ("" where they may act)."""


def observe(ledger: Ledger, seen: Sighting) -> Observed:
    """Fold one notice into the ledger. The same notice twice changes only the count of reminders."""
    draft = draft_about(ledger, seen)
    obligation, held = _take(draft, seen) if seen.trust != "forged" else (None, "its sender is forged")
    told = {"status": seen.status, "granted": seen.granted, "confirmed": seen.confirmed}
    draft.note(
        "notice", obligation.due if obligation else "", kind=seen.kind, system=seen.system, trust=seen.trust,
        message=seen.message, expires=seen.expires, **{k: v for k, v in told.items() if v},
    )  # fmt: skip
    return draft.done(obligation, held)


def _take(draft: Draft, seen: Sighting) -> Taken:
    status = seen.status.casefold()
    ahead = seen.expires is not None and seen.expires > seen.today.isoformat()
    if seen.kind == "authorization_renewed":
        return None, evidence.renewed(draft, seen)
    if seen.kind == "authorization_status":
        if status in FINE and (ahead or not seen.expires):
            return None, _active(draft, seen)
        if status in GONE:
            seen = replace(seen, kind="authorization_expired")
        elif not seen.expires:
            return None, ""
    if seen.kind in OVER and ahead:
        # why: access that is gone before its date is a trouble of its own, whatever the date says
        if not draft.subject.expires and seen.expires:
            draft.tell(seen, seen.expires)
        return _episode(draft, seen)
    return _dated(draft, seen, seen.expires) if seen.expires else _episode(draft, seen)


# --- notices with a date ----------------------------------------------------------------------------------------


def _dated(draft: Draft, seen: Sighting, due: str, *, warns: bool = True) -> Taken:
    """Take a word about the expiry date. `warns`: it is a reminder; else a page that says that all is well until then."""
    known = draft.ledger.obligations.get((draft.subject.id, due))
    if known and known.waiting and not known.dated:
        # why: an episode that began on that very day goes on; a date that has come says nothing that it does not
        if not draft.subject.expires:
            draft.tell(seen, due)
        return draft.keep(replace(_heard(known, seen), notice=known.notice)), ""
    former = known if known and known.dated else None
    if draft.yields(seen):
        draft.contradiction(seen)
        held = f"{draft.subject.source} names {draft.subject.expires}, and its word goes first"
        new = replace(_new(draft, seen, due, dated=True), state="settled", grade="overruled", closed=seen.at)
        return draft.keep(_heard(former, seen) if former else replace(new, proof=draft.subject.trust)), held
    _overrule(draft, seen, due)
    if former is None:
        return _first(draft, seen, due, warns=warns)
    if former.state == "settled":
        return _denied(draft, seen, former)
    if draft.subject.expires in (None, due):
        draft.tell(seen, due)
    kept = draft.keep(_heard(former, seen) if warns else former)
    return kept, HISTORY if kept.history else ""


def _active(draft: Draft, seen: Sighting) -> str:
    """Take a page or a dashboard that says that all is well, with the date until which it is, or without."""
    held = ""
    if seen.expires:
        _, held = _dated(draft, seen, seen.expires, warns=False)
    elif not draft.subject.expires:
        draft.change(endless=True)
    over = [o for o in draft.waiting(dated=False) if max(o.due, o.written) <= seen.day]
    draft.settle(over, "confirmed by notice", trust=seen.trust, day=seen.day, by=seen.status, message=seen.message)
    return held


def _overrule(draft: Draft, seen: Sighting, due: str) -> None:
    """Close what systems opened that yield to this one, and what a person mistyped and now corrects."""
    typed = seen.kind == ENTERED

    def wrong(source: str, other: str) -> bool:
        return other != due and (source in seen.overrules or (typed and not source and other > due))

    for item in draft.waiting(dated=True):
        if wrong(item.source, item.due):
            draft.settle([item], "overruled", trust=seen.trust, day=seen.day, by=seen.system, expires=due)
    known = draft.subject
    if known.expires and not known.assumed and wrong(known.source, known.expires) and enough(seen.trust, known.trust):
        draft.contradiction(seen)
        draft.change(expires=None, told="")


def _first(draft: Draft, seen: Sighting, due: str, *, warns: bool) -> Taken:
    """A date that was not named before: open it, unless a renewal is known that is newer than this word."""
    known, typed = draft.subject, seen.kind == ENTERED
    new = _new(draft, seen, due, dated=True)
    outdated = replace(new, state="settled", closed=seen.at, proof=known.trust)
    trusted = enough(known.trust, seen.trust)
    if new.history and known.expires:
        if known.expires == due:
            draft.tell(seen, due)
        draft.note("opened", due, state=new.state)
        return draft.keep(new), HISTORY
    older = seen.day <= known.acted_on if warns else seen.day < known.acted_on
    if (known.assumed or known.revoked) and older and trusted and not typed:
        return draft.keep(replace(outdated, grade="a person said so")), "it is older than the renewal"
    if known.expires and not known.assumed and due < known.expires and trusted and not typed:
        if seen.day <= known.told:
            draft.renewed_on(known.told, known.trust)
            return draft.keep(replace(outdated, grade="later date")), "a later date has been seen already"
        draft.contradiction(seen)
    if known.expires and not known.assumed and due > known.expires and seen.day < known.told:
        draft.contradiction(seen)
    if known.assumed and known.expires and enough(seen.trust, known.trust):
        assumed = [o for o in draft.waiting(dated=True) if o.due == known.expires]
        draft.settle(assumed, "overruled", trust=seen.trust, day=seen.day, by=seen.system, expires=due)
    old = draft.old_date()
    if old and due > old:
        evidence.later(draft, seen)
    if (
        known.expires in (None, due)
        or known.assumed
        or typed
        or draft.long_past(seen)
        or newest(known.told, known.trust, seen) == seen.day
    ):
        draft.tell(seen, due)
    if not warns:
        return None, ""
    draft.note("opened", due, state=new.state)
    return draft.keep(new), HISTORY if new.history else ""


def _denied(draft: Draft, seen: Sighting, former: Obligation) -> Taken:
    """A deadline that was closed is named again: open it where the word weighs more than what closed it."""
    known = draft.subject
    heard = _heard(former, seen)
    reckoned = former.grade == "a person said so" or known.assumed
    after = bool(known.acted_on) and seen.day > known.acted_on
    unproven = former.grade != "linked" and not enough(former.proof, seen.trust)
    denied = reckoned and after and enough(seen.trust, former.trust)
    if after or unproven:
        draft.contradiction(seen)
    long_past = seen.today - date.fromisoformat(former.due) > HISTORY_AFTER
    if long_past or not (unproven or denied):
        return draft.keep(heard), f"its deadline is settled: {former.grade}"
    for item in draft.waiting(dated=True):
        if known.assumed and item.due == known.expires:
            draft.settle([item], "overruled", trust=seen.trust, day=seen.day, by=seen.system, expires=former.due)
    reopened = replace(heard, state=state_on(former.due, seen.today), closed="", grade="", proof="")
    draft.note("reopened", former.due, closed_by=former.grade, message=seen.message)
    if denied or (known.expires and known.expires < former.due):
        draft.change(
            expires=former.due, assumed=False, revoked=False, source=seen.system, trust=heard.trust, told=seen.day
        )
    elif enough(seen.trust, known.trust):
        draft.tell(seen, former.due)
    return draft.keep(reopened), ""


# --- notices without a date -------------------------------------------------------------------------------------


def _episode(draft: Draft, seen: Sighting) -> Taken:
    """A status without a date: part of the open episode or of a deadline that has passed, or the beginning of one."""
    known, today = draft.subject, seen.today.isoformat()
    gone = seen.kind in OVER
    passed = [o for o in draft.waiting(dated=True) if (o.due <= today if gone else o.due < today)]
    # why: a status names no date, so it must not lend its trust to a date that is believed less
    part_of = draft.waiting(dated=False) or [o for o in passed if rank(o.trust) >= rank(seen.trust)]
    if part_of:
        return draft.keep(_heard(part_of[-1], seen)), ""
    if seen.quiet is not None and known.settled_at and enough(known.proof, seen.trust):
        since = datetime.fromisoformat(seen.at) - datetime.fromisoformat(known.settled_at)
        if since <= seen.quiet:
            draft.note("quiet", kind=seen.kind, message=seen.message, settled_at=known.settled_at)
            return None, f"{seen.system} takes a while to show a renewal, and one was seen at {known.settled_at}"
    former = draft.ledger.obligations.get((known.id, today))
    if former and former.state != "settled":
        return draft.keep(_heard(former, seen)), ""
    if former:
        draft.note("reopened", today, closed_by=former.grade, message=seen.message)
        return draft.keep(replace(_heard(former, seen), state="open", closed="", grade="", proof="")), ""
    draft.note("opened", today, state="open")
    return draft.keep(_new(draft, seen, today, dated=False)), ""


# --- obligations ------------------------------------------------------------------------------------------------


def state_on(due: str, today: date) -> ObligationState:
    """Return the state of a dated obligation on a day, where nothing settled it."""
    day = date.fromisoformat(due)
    return "open" if today <= day else "missed" if today - day > HISTORY_AFTER else "lapsed"


def _new(draft: Draft, seen: Sighting, due: str, *, dated: bool) -> Obligation:
    state = state_on(due, seen.today) if dated else "open"
    return Obligation(
        authorization=draft.subject.id, due=due, dated=dated, state=state, trust=seen.trust, notice=seen.kind,
        message=seen.message, reminders=1, opened=seen.at, history=state == "missed", source=seen.source,
        noticed=seen.at, written=seen.day,
    )  # fmt: skip


def _heard(former: Obligation, seen: Sighting) -> Obligation:
    """Return an obligation with one more notice about it."""
    counted = replace(
        former,
        trust=better(former.trust, seen.trust) if seen.expires == former.due or not former.dated else former.trust,
        reminders=former.reminders + 1,
        noticed=max(former.noticed, seen.at),
        written=newest(former.written, former.trust, seen),
    )
    if rank(seen.trust) < rank(former.trust) and former.message:
        return counted  # why: a stranger's mail must not become the one that is forwarded on the word of a proven one
    return replace(counted, notice=seen.kind, message=seen.message)
