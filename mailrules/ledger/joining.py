"""Which authorization a sighting speaks of, and how two records become one.

In: a Ledger and a Sighting, or two records' ids. Out: a Draft about the right record; the ledger with both joined.
May not live here: deadlines and evidence.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

from mailrules.errors import UsageError
from mailrules.ledger.draft import Draft
from mailrules.ledger.records import Authorization, Ledger, Obligation, Observed, Sighting, better, enough


def authorization_id(account: str, system: str, developer: str, region: str | None) -> str:
    """Return the stable id made at the first sighting; `developer` is the 12 digits, or the name where none are known."""
    return "auth-" + hashlib.sha256("\x1f".join((account, system, developer, region or "")).encode()).hexdigest()[:10]


def find(ledger: Ledger, seen: Sighting) -> Authorization | None:
    """Return the authorization that a sighting speaks of: by id and region, then by name where one side has no id."""
    found = _find(ledger, seen)
    return ledger.authorizations[found.linked] if found and found.linked else found


def _find(ledger: Ledger, seen: Sighting) -> Authorization | None:
    mine = [a for a in ledger.authorizations.values() if a.account == seen.account]
    name = seen.developer.casefold()
    if seen.developer_id:
        same = [a for a in mine if a.developer_id == seen.developer_id]
        exact = [a for a in same if a.region == seen.region]
        if exact:
            return exact[0]
        loose = same if seen.region is None else [a for a in same if a.region is None]
        if len(loose) == 1:
            return loose[0]
        same = [a for a in mine if a.developer_id is None]
    else:
        same = [a for a in mine if a.system == seen.system or a.developer_id is None] or mine
    named = [a for a in same if name and a.developer.casefold() == name]
    # why: the same sighting must find the record that it made, however many others share the name
    named = [a for a in named if a.region == seen.region and a.developer_id is None] or named
    named = [a for a in named if None in (a.region, seen.region) or a.region == seen.region]
    return named[0] if len({a.linked or a.id for a in named}) == 1 else None


def named(ledger: Ledger, text: str) -> Authorization:
    """Return the authorization that a person means: by its id or the beginning of it, its Developer ID, or its name."""
    wanted = text.strip()
    digits = wanted.replace("-", "").replace(" ", "")
    everybody = tuple(ledger.authorizations.values())
    for found in (
        [a for a in everybody if a.id == wanted],
        [a for a in everybody if a.developer_id and a.developer_id == digits],
        [a for a in everybody if a.developer.casefold() == wanted.casefold()],
        [
            a
            for a in everybody
            if wanted and a.id.removeprefix("auth-").startswith(wanted.removeprefix("auth-").lower())
        ],
    ):
        meant = {a.linked or a.id: ledger.authorizations[a.linked or a.id] for a in found}
        if len(meant) == 1:
            return next(iter(meant.values()))
        if meant:
            which = "; ".join(
                f"{a.id} {a.developer}, {a.region or 'region unknown'}, {a.account}" for a in meant.values()
            )
            raise UsageError(f"{len(meant)} authorizations are called {text}: {which}", help="name one by its id")
    near = "; ".join(f"{a.id} {a.developer}" for a in ledger.live()[:10])
    raise UsageError(
        f"no authorization is called {text}" + (f"; there are {near}" if near else "; none is known yet"),
        help="`mailrules authorizations` lists them all",
    )


def draft_about(ledger: Ledger, seen: Sighting) -> Draft:
    """Return a draft about the record that a sighting speaks of, made where there is none; what was not known is filled in."""
    known = find(ledger, seen)
    if known:
        subject = replace(
            known,
            developer_id=known.developer_id or seen.developer_id,
            # why: a stranger's mail may not give a name to what a proven one has named; rules and people go by it
            developer=seen.developer if seen.developer and enough(seen.trust, known.trust) else known.developer,
            region=known.region or seen.region,
        )
        return Draft(ledger=ledger, subject=subject, at=seen.at)
    subject = Authorization(
        id=authorization_id(seen.account, seen.system, seen.developer_id or seen.developer, seen.region),
        account=seen.account, system=seen.system, developer_id=seen.developer_id, developer=seen.developer,
        region=seen.region, first_seen=seen.at, trust=seen.trust,
    )  # fmt: skip
    draft = Draft(ledger=ledger, subject=subject, at=seen.at)
    draft.note("first seen")
    return draft


def link(ledger: Ledger, kept: str, other: str, *, at: str) -> Observed:
    """Say that two records are one authorization: what is owed under `other` is owed under `kept` from now on.

    The other record stays as a name that leads here. Its effects keep their keys, so that nothing is done again. Where
    both have the same deadline it becomes one: renewed for one is renewed for both, unless what waits is believed more
    than the evidence; its effects are then keyed as those of `kept`.
    """
    one, two = ledger.authorizations[kept], ledger.authorizations[other]
    if one.id == two.id:
        raise UsageError("an authorization cannot be linked to itself")
    if one.account != two.account:
        raise UsageError(f"they belong to two accounts, {one.account} and {two.account}")
    if one.developer_id and two.developer_id and (one.developer_id, one.region) != (two.developer_id, two.region):
        raise UsageError(
            f"they are two authorizations: {one.developer_id} in {one.region or 'an unknown region'}"
            f" and {two.developer_id} in {two.region or 'an unknown region'}"
        )
    newer = two if two.expires and (not one.expires or (one.assumed, two.told) > (two.assumed, one.told)) else one
    draft = Draft(ledger=ledger, subject=one, at=at)
    draft.change(
        developer_id=one.developer_id or two.developer_id, region=one.region or two.region,
        expires=newer.expires, assumed=newer.assumed, source=newer.source, trust=newer.trust, told=newer.told,
        endless=(one.endless or two.endless) and not newer.expires,
        acted_on=max(one.acted_on, two.acted_on), first_seen=min(one.first_seen, two.first_seen),
    )  # fmt: skip
    for item in ledger.of(other):
        mine = ledger.obligations.get((kept, item.due))
        draft.keep(_merged(mine, item) if mine else replace(item, authorization=kept, origin=item.origin or other))
        draft.keep(replace(item, state="settled", closed=item.closed or at, grade="linked"))
    draft.note("linked", other=other, developer=two.developer)
    for name in [a for a in ledger.authorizations.values() if other in (a.id, a.linked)]:
        draft.ledger = draft.ledger.with_(authorization=replace(name, linked=kept, expires=None, assumed=False))
    return draft.done()


def _merged(mine: Obligation, item: Obligation) -> Obligation:
    settled = next((o for o in (mine, item) if not o.waiting), None)
    waiting = next((o for o in (mine, item) if o.waiting), None)
    chosen = waiting if waiting and not (settled and enough(settled.proof, waiting.trust)) else settled or mine
    return replace(
        chosen, authorization=mine.authorization, origin=mine.origin, trust=better(mine.trust, item.trust),
        reminders=mine.reminders + item.reminders, opened=min(mine.opened, item.opened),
        noticed=max(mine.noticed, item.noticed), written=max(mine.written, item.written),
    )  # fmt: skip
