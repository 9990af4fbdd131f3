"""What `mailrules doctor` tries on the network: each step between this machine and a mailbox, one finding each.

In: a Config. Out: Findings; the first step that fails ends the way to that server. Nothing is changed, nothing is sent.
May not live here: what is looked at without the network (checkup.py), commands of IMAP and SMTP.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Iterator

from mailrules.config import Account, Config
from mailrules.errors import MailrulesError
from mailrules.sources.faults import fault
from mailrules.sources.imap_wire import tls_context
from mailrules.spine.checkup import Finding
from mailrules.spine.reaching import session_of
from mailrules.spine.sending import smtp_settings

NAME_SECONDS, CONNECT_SECONDS = 5.0, 10.0


def reach(config: Config) -> Iterator[Finding]:
    """Go the way to every server; where no name at all resolves, the machine is offline, and that is said once."""
    hosts = {a.host for a in config.accounts} | ({config.smtp.host} if config.smtp else set())
    names = {host for host in hosts if not _is_address(host)}
    unresolved = {host: why for host in sorted(names) if (why := _unresolved(host))}
    if len(names) > 1 and unresolved.keys() == names:
        yield Finding(
            check="network", ok=False, detail=f"none of {', '.join(sorted(names))} resolves: this machine seems to be offline",
            help="look at the network and its name servers; `--offline` leaves the network out",
        )  # fmt: skip
        return
    for account in config.accounts:
        yield from _account(config, account, unresolved)
    if config.smtp:
        yield from _smtp(config, unresolved)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    return True


def _unresolved(host: str) -> str:
    """Return why a name has no address, "" where it has one; a name server that is silent is not waited for."""
    answer: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask() -> None:
        try:
            socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            answer.put("")
        except (OSError, UnicodeError) as error:
            answer.put(str(error.strerror if isinstance(error, OSError) else error))

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.get(timeout=NAME_SECONDS)
    except queue.Empty:
        return f"no name server answered within {NAME_SECONDS:.0f} seconds"


def _no_name(where: str, why: str) -> Finding:
    return Finding(
        check="dns",
        ok=False,
        detail=f"{where} does not resolve: {why}",
        help="check the spelling of `host`, and the network",
    )


def _account(config: Config, account: Account, unresolved: dict[str, str]) -> Iterator[Finding]:
    place = f"account {account.name}, {account.host}:{account.port}"
    if account.host in unresolved:
        yield _no_name(place, unresolved[account.host])
        return
    try:
        sock = socket.create_connection((account.host, account.port), CONNECT_SECONDS)
    except OSError as error:
        why = "nobody answers" if isinstance(error, TimeoutError) else error.strerror or str(error)
        yield Finding(
            check="tcp", ok=False, detail=f"{place} is not reached: {why}",
            help='check `host` and `port` (993 with tls = "implicit", 143 with "starttls"), and the firewall',
        )  # fmt: skip
        return
    with sock:
        yield Finding(check="tcp", ok=True, detail=f"{place} answers")
        if account.tls == "implicit":
            finding = _tls(account, place, sock)
            yield finding
            if not finding.ok:
                return
    yield from _mailboxes(config, account)


def _tls(account: Account, place: str, sock: socket.socket) -> Finding:
    try:
        tls_context(account.ca_file)
        context = ssl.create_default_context(cafile=account.ca_file)
        with context.wrap_socket(sock, server_hostname=account.host) as secured:
            until = str((secured.getpeercert() or {}).get("notAfter", "?"))
    except (OSError, ValueError, MailrulesError) as error:
        found = fault(place, "connecting", error, tls=account.tls)
        return Finding(check="tls", ok=False, detail=str(found), help=found.help)
    return Finding(check="tls", ok=True, detail=f"{place}: the certificate holds until {until}")


def _mailboxes(config: Config, account: Account) -> Iterator[Finding]:
    step = "login"
    try:
        with session_of(config, account) as session:
            yield Finding(check="login", ok=True, detail=f"account {account.name} logs in as {account.user}")
            step = "mailbox"
            for mailbox in account.mailboxes:
                try:
                    count = session.examine(mailbox).exists
                    yield Finding(
                        check="mailbox", ok=True, detail=f"account {account.name}: {mailbox} holds {count} messages"
                    )
                except MailrulesError as error:
                    yield Finding(check="mailbox", ok=False, detail=str(error), help=error.help)
    except MailrulesError as error:
        yield Finding(check=step, ok=False, detail=str(error), help=error.help)


def _smtp(config: Config, unresolved: dict[str, str]) -> Iterator[Finding]:
    from mailrules.actions.mail_out import try_out

    settings = smtp_settings(config)
    if settings is None:
        return
    place = f"[smtp] {settings.host}:{settings.port}"
    if settings.host in unresolved:
        yield _no_name(place, unresolved[settings.host])
        return
    try:
        outcome = try_out(settings)
    except MailrulesError as error:
        yield Finding(check="smtp", ok=False, detail=str(error), help=error.help)
        return
    good = outcome.result == "done"
    yield Finding(
        check="smtp", ok=good, detail=f"{place} takes mail" if good else outcome.why,
        help="" if good else "check [smtp]: host, port, tls, user and password; without it nobody is written to",
    )  # fmt: skip
