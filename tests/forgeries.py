"""A seeded generator of phishing notices and of forged and genuine proofs, each with the level that it may reach at most.

The senders and tricks are those that were seen in real phishing; the receivers' fields are in the forms that real
providers write. The same seed gives the same bytes.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.utils import format_datetime

from mailrules.world import Receiver
from tests.notice_cases import encoded_word
from tests.notice_texts import GUESSED, Text, english, guessed, japanese

FORGED, UNVERIFIED, AUTHENTICATED, BOUND = "forged", "unverified", "authenticated", "bound"
WRITERS: Mapping[str, Callable[[random.Random], Text]] = {
    "en": english,
    "ja": japanese,
    **{language: guessed(language) for language in GUESSED},
}
EVIL = "evil.test"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One mail as it lies in a mailbox. `level` is what it truly deserves; `hidden` tells that its header shows nothing."""

    name: str
    content: bytes
    arrived: datetime
    receiver: Receiver
    level: str
    text: Text
    hidden: bool = False


# --- receivers --------------------------------------------------------------------------------------------------------

GOOGLE = (
    "Received: by 2002:a05:6a20:7b9c:b0:1f5:8f4a:1 with SMTP id x28csp1;\r\n        Mon, 11 Mar 2024 00:05:01 -0700 (PDT)\r\n"
    "Received: from {helo} ({helo}. [192.0.2.7])\r\n        by mx.google.com with ESMTPS id d2e1a72fcca58\r\n"
    "        for <seller@shop.example>; Mon, 11 Mar 2024 00:05:00 -0700 (PDT)\r\n{stamp}"
)
MICROSOFT = (
    "Received: from AM0PR04MB1.eurprd04.prod.outlook.com (2603:10a6:208:1::1) by\r\n"
    " DB8PR04MB2.eurprd04.prod.outlook.com with HTTPS; Mon, 11 Mar 2024 07:05:02 +0000\r\n"
    "Received: from AM0EUR04FT1.eop-eur04.prod.protection.outlook.com (2603:10a6:208:cafe::c) by\r\n"
    " AM0PR04CA0028.outlook.office365.com (2603:10a6:208:1::41) with Microsoft SMTP Server via Frontend Transport;"
    " Mon, 11 Mar 2024 07:05:01 +0000\r\n{stamp}"
    "Received: from {helo} (192.0.2.7) by AM0EUR04FT1.mail.protection.outlook.com (10.13.1.1)\r\n"
    " with Microsoft SMTP Server; Mon, 11 Mar 2024 07:05:00 +0000\r\n"
)
PLAIN = "{stamp}Received: from {helo} ({helo} [192.0.2.7])\r\n\tby {host} (Postfix) with ESMTPS id 4F1; Mon, 11 Mar 2024 07:05:00 +0000\r\n"


@dataclass(frozen=True)
class Profile:
    """How one provider writes what it found: the field without its name, from (method, result, domain) each."""

    name: str
    receiver: Receiver
    head: str
    form: Mapping[str, str]
    chain: str
    host: str = ""
    end: str = ""

    def field(self, results: tuple[tuple[str, str, str], ...], head: str | None = None) -> str:
        said = [self.form[method].format(result=result, domain=domain) for method, result, domain in results]
        lead = self.head if head is None else head
        return f"Authentication-Results: {lead}" + ";\r\n ".join(said) + f"{self.end}\r\n"

    def above(self, stamp: str, helo: str = "a13-143.smtp-out.amazonses.com") -> str:
        return self.chain.format(stamp=stamp, helo=helo, host=self.host)


COMMON = {
    "spf": "spf={result} smtp.mailfrom=x@{domain}",
    "dkim": "dkim={result} header.d={domain}",
    "dmarc": "dmarc={result} header.from={domain}",
}
PROFILES = (
    Profile("gmail", Receiver(authserv_id="mx.google.com"), "mx.google.com;\r\n       ", {
        "spf": "spf={result} (google.com: domain of x@{domain} designates 192.0.2.7 as permitted sender) smtp.mailfrom=x@{domain}",
        "dkim": "dkim={result} header.i=@{domain} header.s=yg4mwqur header.b=aBc1D/+x",
        "dmarc": "dmarc={result} (p=QUARANTINE sp=QUARANTINE dis=NONE) header.from={domain}",
    }, GOOGLE),
    Profile("microsoft", Receiver(topmost=True), "", {
        "spf": "spf={result} (sender IP is 192.0.2.7)\r\n smtp.mailfrom={domain}",
        "dkim": "dkim={result} (signature was verified)\r\n header.d={domain}",
        "dmarc": "dmarc={result} action=none\r\n header.from={domain};compauth=pass reason=100",
    }, MICROSOFT),
    Profile("yahoo", Receiver(authserv_id="*.omega.yahoo.com"), "atlas-production.v2-mail-prod1-gq1.omega.yahoo.com;\r\n ", {
        "spf": "spf={result} smtp.mailfrom={domain}",
        "dkim": "dkim={result} header.i=@{domain} header.s=yg4mwqur",
        "dmarc": "dmarc={result}(p=QUARANTINE) header.from={domain}",
    }, PLAIN, "10.217.1.1", ";"),
    Profile("qq", Receiver(authserv_id="mx.qq.com"), "mx.qq.com; ", {
        "spf": "spf={result} smtp.mailfrom=<x@{domain}>",
        "dkim": "dkim={result} header.d={domain}",
        "dmarc": "dmarc={result}(permerror) header.from={domain}",
    }, PLAIN, "newxmmx.qq.com"),
    Profile("proton", Receiver(authserv_id="*.protonmail.ch"), "mailin033.protonmail.ch; ", {
        "spf": "spf={result} smtp.mailfrom={domain}",
        "dkim": 'dkim={result} (2048-bit key; unprotected)\r\n header.d={domain} header.i=@{domain} header.b="aBc1D/+x"',
        "dmarc": "dmarc={result} (p=quarantine dis=none) header.from={domain}",
    }, PLAIN, "mailin033.protonmail.ch"),
    Profile("fastmail", Receiver(authserv_id="mx1.messagingengine.com"), "mx1.messagingengine.com;\r\n    ", {
        "spf": "spf={result} smtp.mailfrom=x@{domain}\r\n      smtp.helo=out.{domain}",
        "dkim": "dkim={result} (1024-bit rsa key sha256) header.d={domain}\r\n      header.i=@{domain} header.b=aBc1 header.a=rsa-sha256 x-bits=1024",
        "dmarc": "dmarc={result} policy.published-domain-policy=quarantine\r\n      (p=quarantine,d=none,d.eval=none) policy.policy-from=p\r\n      header.from={domain}",
    }, PLAIN, "mailmx.nyi.internal"),
    Profile("own", Receiver(authserv_id="mx.shop.example"), "mx.shop.example;\r\n\t", COMMON, PLAIN, "mx.shop.example"),
)  # fmt: skip


def honest(profile: Profile, domain: str, *, owned: bool) -> str:
    """Return what a receiver stamps on a mail from EVIL's machine: its own domains pass, others' do not."""
    if owned:
        return profile.field((("spf", "pass", domain), ("dkim", "pass", domain), ("dmarc", "pass", domain)))
    return profile.field((("spf", "pass", EVIL), ("dkim", "pass", EVIL), ("dmarc", "fail", domain)))


def injected(profile: Profile, domain: str) -> str:
    """Return fields that a sender writes himself, in the receiver's own form and in others; they arrive below."""
    good = (("dkim", "pass", domain), ("dmarc", "pass", domain))
    return (
        profile.field(good)
        + profile.field(good, "mx.forged.test; ")
        + profile.field(good).replace("Authentication-Results:", "Authentication-Results-Original:")
        + f"ARC-Authentication-Results: i=1; {profile.head}dmarc=pass header.from={domain}\r\n"
    )


# --- the mail itself --------------------------------------------------------------------------------------------------


def body(text: Text) -> str:
    block = "".join(f"{label}: {value}\r\n" for label, value in text.block)
    return "\r\n\r\n".join((*text.before, text.link, block, *text.after)) + "\r\n"


def encoded(content: str, kind: str = "plain") -> bytes:
    coded = base64.encodebytes(content.encode()).replace(b"\n", b"\r\n")
    return f"Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n".encode() + coded


def arrived(text: Text) -> datetime:
    return datetime.combine(text.arrived, time(7, 5), UTC)


def domain_of(text: Text) -> str:
    return text.sender.rpartition("@")[2].rstrip(">")


def header(text: Text, sender: str, *, subject: str = "", name: str = "m1", extra: str = "") -> bytes:
    word = encoded_word(subject or text.subject, "utf-8", "utf-8")
    return (
        f"From: {sender}\r\nTo: Example Store <seller@shop.example>\r\nSubject: {word}\r\n"
        f"Date: {format_datetime(arrived(text))}\r\nMessage-ID: <{name}@mail.example>\r\nMIME-Version: 1.0\r\n{extra}"
    ).encode()


def genuine_sender(text: Text) -> str:
    """Return the sender of a text with its display name as it travels."""
    name, _, address = text.sender.rpartition(" ")
    return f"{encoded_word(name, 'utf-8', 'utf-8')} {address}"


# --- techniques of phishing -------------------------------------------------------------------------------------------


def _idn(label: str) -> str:
    return "xn--" + label.encode("punycode").decode()


LOOK_ALIKES = (
    "amazonservices.com", "email.amazonses.com", "payments-amazon.com", "amazon-sw.com", "f3dven-amazon.com", "amaz0n.com", "amazon-support.com",
    "security-amazon.com", "amazon.com.biz", "arnazon.com", "amazom.com", "arnazon.de", "amazon.com.evil.test",
    "amazon.co.jp.login.example", "amazon-co-jp.top", "amazno.com", "amazon.top", "myamazon.shop",
    f"{_idn('amazón')}.com", f"{_idn('аmazon')}.com", f"{_idn('аmаzоn')}.com", f"{_idn('ɑmɑzon')}.de",
)  # fmt: skip
STRANGERS = (
    "amazon-security@hotmail.com",
    "amazon-payments@msn.com",
    "seller@evil.test",
    "b7x2@marketplace.amazon.com",
)
ADDRESS_FORMS: tuple[bytes, ...] = (
    b"no-reply@amazon.com <evil@evil.test>",
    b'"Offers@amazon.de", <service@shop.test>',
    b'"Amazon" <"no-reply@Amazon.de">',
    b"Amazon Gutschein, <service@shop.test.>, Office,",
    b"no-reply@amazon.com(<evil@evil.test>)",
    b"no-reply@amazon.com (evil@evil.test)",
    b"Amazon:no-reply@amazon.com,evil@evil.test;",
    b"=?utf-8?q?no-reply=40amazon.com?= <evil@evil.test>",
    b'"no-reply@amazon.com" <evil@evil.test>',
    "no-reply＠amazon.com <evil@evil.test>".encode(),
    b"no-reply@amazon.com, evil@evil.test",
    b"<@evil.test:no-reply@amazon.com>",
    b"<no-reply@amazon.com> <evil@evil.test>",
    b"<<no-reply@amazon.com>",
    b"<no-reply@amazon.com>>",
    b"no-reply@amazon.com\0.evil.test",
    b"no-reply@amazon.com.",
    b"no-reply@amazon",
    b"no-reply@[192.0.2.7]",
    b"no-reply@evil.test@amazon.com",
    b'"no-reply"@amazon.com',
    b"no-reply(comment)@amazon.com",
    b"no-reply@amazon(.evil.test).com",
    b"no-reply@amazon.com\\ <evil@evil.test>",
    "no-reply@аmazon.com".encode(),
    b"no-reply@xn--mazon-3ve.com",
    b"no-reply @ amazon.com",
    b"no-reply%evil.test@amazon.com\x01",
    b"undisclosed-recipients:;",
    b"<>",
)
HOMOGLYPHS = str.maketrans("aeopcA", "аеорсА")


def _phish(
    text: Text, sender: str, *, raw: bytes | None = None, content: bytes = b"", subject: str = "", extra: str = ""
) -> bytes:
    made = header(text, sender, subject=subject, extra=extra)
    if raw is not None:
        made = made.replace(f"From: {sender}\r\n".encode(), b"From: " + raw + b"\r\n")
    return made + (content or encoded(body(text)))


def _both(text: Text, html: str) -> bytes:
    parts = (encoded(body(text)), encoded(html, "html"))
    joined = b"".join(b"--cut\r\n" + part + b"\r\n" for part in parts)
    return b'Content-Type: multipart/alternative; boundary="cut"\r\n\r\n' + joined + b"--cut--\r\n"


def _attached(text: Text, inner: bytes) -> bytes:
    return (
        b'Content-Type: multipart/mixed; boundary="cut"\r\n\r\n--cut\r\n'
        + encoded("FYI\r\n") + b"\r\n--cut\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--cut--\r\n"
    )  # fmt: skip


def _forwarded(text: Text) -> bytes:
    fields = f"From: {text.sender}\r\nDate: Mon, Mar 11, 2024 at 7:05 AM\r\nSubject: {text.subject}\r\nTo: <seller@shop.example>\r\n"
    return encoded(f"see below\r\n\r\n---------- Forwarded message ---------\r\n{fields}\r\n{body(text)}")


Technique = tuple[bytes, str, str, bool]
"""The mail, the domain in its From, the level it deserves, and whether that domain is the sender's own."""


def techniques(text: Text) -> Iterator[tuple[str, Technique]]:
    """Yield every way in which a text can be passed off as the system's."""
    exact, domain = genuine_sender(text), domain_of(text)
    for fake in LOOK_ALIKES:
        yield f"look-alike {fake}", (_phish(text, f"Amazon <seller-notification@{fake}>"), fake, FORGED, True)
    for address in STRANGERS:
        owner = address.partition("@")[2]
        yield f"stranger {address}", (_phish(text, f"Amazon Seller Central <{address}>"), owner, UNVERIFIED, True)
    yield "exact From", (_phish(text, exact), domain, UNVERIFIED, False)
    link = f'<p>{body(text)}</p><a href="https://sellercentral.evil.test/">https://sellercentral.amazon.com/apps/manage</a>'
    yield "link mismatch", (_phish(text, exact, content=encoded(link, "html")), domain, UNVERIFIED, False)
    number = next((v for _, v in text.block if v.isdigit()), "")
    other = f"<pre>{body(text).replace(number or text.subject, '666666666666')}</pre>"
    yield "parts disagree", (_phish(text, exact, content=_both(text, other)), domain, UNVERIFIED, False)
    hidden = f'<pre>{body(text)}</pre><div style="display:none">Developer ID: 666666666666</div>'
    yield "hidden text", (_phish(text, exact, content=encoded(hidden, "html")), domain, UNVERIFIED, False)
    yield "reply chain", (
        _phish(text, exact, subject=f"Re: {text.subject}", content=encoded("Hello\r\n\r\n" + "".join(f"> {line}\r\n" for line in body(text).splitlines()))),
        domain, UNVERIFIED, False,
    )  # fmt: skip
    glyphs = text.subject.translate(HOMOGLYPHS)
    yield "homoglyph subject", (_phish(text, f"Amazon <a@{EVIL}>", subject=glyphs), EVIL, UNVERIFIED, True)
    yield "homoglyph subject, exact From", (_phish(text, exact, subject=glyphs), domain, UNVERIFIED, False)
    owner = "Owner <owner@shop.example>"
    yield "forwarded inline", (_phish(text, owner, subject=f"Fwd: {text.subject}", content=_forwarded(text)), "shop.example", UNVERIFIED, True)  # fmt: skip
    inner = injected(PROFILES[0], domain).encode() + _phish(text, exact)
    yield "attached", (_phish(text, owner, subject=f"Fwd: {text.subject}", content=_attached(text, inner)), "shop.example", UNVERIFIED, True)  # fmt: skip
    yield "attached to a genuine mail", (_phish(text, exact, subject=f"Fwd: {text.subject}", content=_attached(text, inner)), domain, UNVERIFIED, True)  # fmt: skip
    yield "Reply-To elsewhere", (_phish(text, exact, extra=f"Reply-To: seller@{EVIL}\r\n"), domain, UNVERIFIED, False)
    yield "Sender elsewhere", (_phish(text, exact, extra=f"Sender: seller@{EVIL}\r\n"), domain, UNVERIFIED, False)
    for name, value in (("From", f"x@{EVIL}"), ("Subject", "hello"), ("Date", "Mon, 11 Mar 2024 07:05:00 +0000"), ("To", f"x@{EVIL}"), ("Sender", EVIL), ("Message-ID", "<other@mail.example>"), ("MIME-Version", "1.0")):  # fmt: skip
        twice = f"Sender: a@{EVIL}\r\n" if name == "Sender" else ""
        yield f"two {name}", (_phish(text, exact, extra=f"{twice}{name}: {value}\r\n"), domain, FORGED, False)
    yield (
        "From with a space before the colon",
        (_phish(text, exact, extra=f"From : x@{EVIL}\r\n"), domain, FORGED, False),
    )
    yield "bare CR", (_phish(text, exact, extra=f"X-A: b\rFrom: x@{EVIL}\r\n"), domain, FORGED, False)


CLAIMS = ("honest", "nothing found", "injected")


def phishing(seed: int = 5, *, every: bool = False) -> Iterator[Case]:
    """Yield every technique in every language once, or `every` one with each kind of proof; the receivers take turns."""
    chance = random.Random(seed)
    turn = 0
    for language, write in WRITERS.items():
        text = write(chance)
        for name, (mail, domain, level, owned) in techniques(text):
            for claim in CLAIMS if every else [CLAIMS[turn % len(CLAIMS)]]:
                profile = PROFILES[turn % len(PROFILES)]
                turn += 1
                found = honest(profile, domain, owned=owned)
                if claim == "nothing found":
                    found = profile.field((("spf", "none", EVIL), ("dkim", "none", domain), ("dmarc", "none", domain)))
                stamp = profile.above(found, EVIL).encode()
                below = injected(profile, domain_of(text)).encode() if claim == "injected" else b""
                yield Case(
                    name=f"{name} / {language} / {claim} / {profile.name}", content=stamp + below + mail, arrived=arrived(text),
                    receiver=profile.receiver, level=level, text=text,
                    hidden=name == "homoglyph subject" and text.subject.translate(HOMOGLYPHS) != text.subject,
                )  # fmt: skip


def address_forms(seed: int = 6, *, every: bool = False) -> Iterator[Case]:
    """Yield every form of a From that readers take differently, with a pass for what it pretends to be."""
    text = english(random.Random(seed))
    for number, raw in enumerate(ADDRESS_FORMS):
        for profile in PROFILES if every else [PROFILES[number % len(PROFILES)]]:
            stamp = profile.above(honest(profile, "amazon.com", owned=True)).encode()
            yield Case(
                name=f"address form {number} / {profile.name}", content=stamp + _phish(text, text.sender, raw=raw),
                arrived=arrived(text), receiver=profile.receiver, level=FORGED, text=text,
            )  # fmt: skip


# --- proofs -----------------------------------------------------------------------------------------------------------


def proofs(profile: Profile, domain: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name, header block above the mail, level) for a mail whose From is exactly `domain`."""
    field, above = profile.field, profile.above
    good = (
        ("spf", "pass", f"bounces.{domain}"),
        ("dkim", "pass", domain),
        ("dkim", "pass", "amazonses.com"),
        ("dmarc", "pass", domain),
    )
    passing = field(good)
    yield "genuine", above(passing), BOUND
    yield "genuine, DMARC alone", above(field((("dmarc", "pass", domain),))), BOUND
    yield "genuine, DKIM alone", above(field((("spf", "none", EVIL), ("dkim", "pass", domain)))), BOUND
    yield "genuine, SPF broken by a redirect", above(field((("spf", "softfail", EVIL), *good[1:]))), BOUND
    yield "genuine, a second signature wrong", above(field((("dkim", "fail", "amazonses.com"), ("dkim", "pass", domain), ("dmarc", "pass", domain)))), BOUND  # fmt: skip
    yield "genuine, forged fail below", above(passing) + field((("dmarc", "fail", domain),)), BOUND
    for result in ("fail", "none", "temperror", "permerror", "bestguesspass"):
        yield f"DMARC {result}", above(field((("spf", "pass", EVIL), ("dkim", "none", domain), ("dmarc", result, domain)))), UNVERIFIED  # fmt: skip
    for result in ("fail", "softfail", "neutral", "none", "temperror", "permerror", "policy"):
        yield f"DKIM {result}", above(field((("spf", "pass", domain), ("dkim", result, domain)))), UNVERIFIED
    yield "SPF alone", above(field((("spf", "pass", domain),))), UNVERIFIED
    yield "missing", above(""), UNVERIFIED
    yield "forged pass below a fail", above(field((("dmarc", "fail", domain),))) + passing, UNVERIFIED
    yield "forged pass below a silent field", above(field((("spf", "none", EVIL),))) + passing, UNVERIFIED
    yield "other authserv-id", above(field(good, "mx.other.test; ")), UNVERIFIED
    yield "other authserv-id above ours", field(good, "mx.other.test; ") + above(passing), UNVERIFIED
    yield "longer authserv-id", above(field(good, f"x{profile.head.strip().rstrip(';') or 'mx.other.test'}.evil.test; ")), UNVERIFIED  # fmt: skip
    yield "version 2", above(field(good, f"{profile.head.strip().rstrip(';')} 2; ")), UNVERIFIED
    yield "the sender's own domain passes", above(field((("spf", "pass", EVIL), ("dkim", "pass", EVIL), ("dmarc", "pass", EVIL)))), UNVERIFIED  # fmt: skip
    yield "any customer of the same sender", above(field((("dkim", "pass", "amazonses.com"), ("dmarc", "none", domain)))), UNVERIFIED  # fmt: skip
    yield "a sub-domain's signature", above(field((("dkim", "pass", f"marketplace.{domain}"),))), UNVERIFIED
    yield "a longer domain's signature", above(field((("dkim", "pass", f"{domain}.evil.test"),))), UNVERIFIED
    yield "two DMARC results", above(field((("dmarc", "pass", domain), ("dmarc", "fail", EVIL)))), UNVERIFIED
    yield "a domain twice", above(field((("dmarc", "pass", f"{EVIL} header.from={domain}"),))), UNVERIFIED
    yield "a result in a quoted MAIL FROM", above(field((("spf", "pass", f'"; dmarc=pass header.from={domain}; "@{EVIL}'),))), UNVERIFIED  # fmt: skip
    yield "a result in a comment", above(field((("spf", "pass", f"{EVIL} (; dmarc=pass header.from={domain} ;)"),))), UNVERIFIED  # fmt: skip
    yield "a comment glued to a domain", above(field((("dkim", "pass", f"{domain}(.{EVIL})"),))), UNVERIFIED
    yield "a quote glued to a domain", above(field((("dkim", "pass", f'{domain}".{EVIL}"'),))), UNVERIFIED
    yield "an open comment", above(field((("dkim", "pass", f"{domain} ("),))), UNVERIFIED
    yield "the word in another method", above(field((("spf", f"none reason=dmarc=pass header.from={domain}", EVIL),))), UNVERIFIED  # fmt: skip
    yield "renamed", above(passing.replace("Results:", "Results-Original:")), UNVERIFIED
    yield "ARC alone", above("") + f"ARC-Authentication-Results: i=1; {profile.head}dmarc=pass header.from={domain}\r\nARC-Seal: i=1; cv=pass\r\n", UNVERIFIED  # fmt: skip
    yield "8-bit", above(passing.replace("\r\n", " \u00e9\r\n", 1)), UNVERIFIED
    yield "16 KB", above(passing.rstrip() + f" ({'x' * 17_000})\r\n"), UNVERIFIED


def authentications(seed: int = 7, *, every: bool = False) -> Iterator[Case]:
    """Yield every proof in every provider's form, on an English notice, or on one in `every` language."""
    chance = random.Random(seed)
    for write in WRITERS.values() if every else [english]:
        text = write(chance)
        mail = header(text, genuine_sender(text)) + encoded(body(text))
        for profile in PROFILES:
            for name, block, level in proofs(profile, domain_of(text)):
                yield Case(
                    name=f"{name} / {text.language} / {profile.name}", content=block.encode() + mail,
                    arrived=arrived(text), receiver=profile.receiver, level=level, text=text,
                )  # fmt: skip


def genuine(seed: int = 8) -> Iterator[Case]:
    """Yield the genuine notice of every language at every provider."""
    chance = random.Random(seed)
    for write in WRITERS.values():
        text = write(chance)
        mail = header(text, genuine_sender(text)) + encoded(body(text))
        for profile in PROFILES:
            yield Case(
                name=f"genuine / {text.language} / {profile.name}",
                content=profile.above(honest(profile, domain_of(text), owned=True)).encode() + mail,
                arrived=arrived(text), receiver=profile.receiver, level=BOUND, text=text,
            )  # fmt: skip
