"""Actions: a real SMTP server on loopback, real scripts."""

import email
import json
import os
import socket
import time

import pytest
from aiosmtpd.controller import Controller

from mailrules.actions import Services, SmtpSettings, backoff, perform
from mailrules.actions.processes import descendants
from mailrules.effects import Effect
from mailrules.store.outbox import Claim

NOW = "2026-03-01T00:00:00+00:00"
ORIGINAL = "From: a@b.example\r\nSubject: x\r\n y\r\n\r\nGrüße\r\n.\r\n..\r\nFrom here\r\n".encode()


class Sink:
    def __init__(self):
        self.mails, self.reply = [], "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope.content)
        return self.reply


@pytest.fixture
def sink():
    handler = Sink()
    with socket.create_server(("127.0.0.1", 0)) as free:
        handler.port = free.getsockname()[1]
    controller = Controller(handler, hostname="127.0.0.1", port=handler.port)
    controller.start()
    yield handler
    controller.stop()


def claim(action, attempt=1, **args):
    made = Effect(
        key="k" * 32, account="a", rule="r", action=action, target="t", stage="", authorization="x", due="d", args=args
    )
    return Claim(effect=made, attempt=attempt)


def services(port=1, content=ORIGINAL):
    smtp = SmtpSettings(
        host="127.0.0.1", port=port, tls="none", user=None, secret=None, sender="bot@own.example", timeout=5
    )
    return Services(smtp=smtp, content=lambda digest: content, sender="bot@own.example", own_id="id-1")


def mail(**more):
    return {"to": ["me@own.example"], "subject": "Renew", "body": "Please", **more}


def script(folder, text, **args):
    path = folder / "script"
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o700)
    folder.chmod(0o700)
    argv = [str(path), *args.pop("more", [])]
    return perform([claim("run_script", **{"argv": argv, "timeout": 5, "retry": "never", **args})], services(), NOW)


def test_a_forwarded_original_arrives_byte_for_byte(sink):
    assert perform([claim("forward", **mail(message="d"))], services(sink.port), NOW).result == "done"
    arrived = email.message_from_bytes(sink.mails[0])
    assert [part.get_content_type() for part in arrived.get_payload()] == ["text/plain", "message/rfc822"]
    assert arrived.defects == []
    assert arrived.get_payload()[1].get_payload()[0]["Subject"] == "x\r\n y"
    part = sink.mails[0].split(b"\r\n--" + arrived.get_boundary().encode())[2]
    assert part.split(b"\r\n\r\n", 1)[1] == ORIGINAL
    bare = ORIGINAL.replace(b"\r\n", b"\n")
    perform([claim("forward", **mail(message="d"))], services(sink.port, bare), NOW)
    assert email.message_from_bytes(sink.mails[1]).get_payload()[1].get_payload(decode=True) == bare


def test_a_repeat_has_the_same_message_id_and_a_batch_is_one_mail(sink):
    for _ in range(2):
        perform([claim("notify", **mail())], services(sink.port), NOW)
    perform([claim("notify", **mail())] * 3, services(sink.port), NOW)
    mails = [email.message_from_bytes(content) for content in sink.mails]
    assert mails[0]["Message-ID"] == mails[1]["Message-ID"]
    assert (mails[0]["Auto-Submitted"], mails[0]["X-Mailrules-Id"]) == ("auto-generated", "id-1")
    assert mails[2]["Subject"] == "3 things need you"


def test_temporary_refusals_are_tried_again_and_final_ones_are_not(sink):
    results = []
    for reply in ("451 later", "550 no"):
        sink.reply = reply
        results.append(perform([claim("notify", **mail())], services(sink.port), NOW))
    assert [r.result for r in results] == ["retry", "failed"]
    assert "550 no" in results[1].why
    assert perform([claim("notify", **mail())], services(1), NOW).result == "retry"
    assert [backoff(n) for n in (1, 2, 9)] == [60, 240, 14400]


def test_a_line_break_in_a_header_field_fails_the_action_only(sink):
    assert (
        perform([claim("notify", **mail(subject="x\r\nBcc: a@b.example"))], services(sink.port), NOW).result == "failed"
    )
    assert sink.mails == []


@pytest.mark.parametrize(
    ("code", "retry", "result"),
    [
        (0, "never", "done"),
        (10, "never", "done"),
        (75, "safe", "retry"),
        (75, "never", "failed"),
        (3, "safe", "failed"),
    ],
)
def test_an_exit_code_says_what_came_of_it(tmp_path, code, retry, result):
    assert script(tmp_path, f"exit {code}", retry=retry).result == result


def test_arguments_stay_literal_and_the_environment_is_clean(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "hush")
    payloads = ["; rm -rf x", "$(id)", "`id`", "a b", "*", "{{7*7}}", "%n"]
    out = script(tmp_path, 'printf "%s\\n" "$@"; env; cat', more=payloads, stdin={"developer": "Ü"}).output
    assert out.splitlines()[: len(payloads)] == payloads
    assert "hush" not in out
    assert "MAILRULES_ATTEMPT=1" in out
    assert json.loads(out.splitlines()[-1]) == {"developer": "Ü", "drill": False}


def test_a_time_out_ends_grandchildren_in_sessions_of_their_own(tmp_path):
    before, start = descendants(os.getpid()), time.monotonic()
    outcome = script(tmp_path, "setsid sleep 60 & (setsid setsid sleep 60 &) ; sleep 60", timeout=0.5)
    assert (outcome.result, "stopped after" in outcome.why) == ("failed", True)
    assert time.monotonic() - start < 9
    assert descendants(os.getpid()) - before == set()


def test_output_is_bounded_and_keeps_both_ends(tmp_path):
    out = script(tmp_path, "echo first; yes | head -c 1000000; echo last").output
    assert out.startswith("first")
    assert out.endswith("last\n")
    assert len(out) < 70_000


def test_a_script_that_is_missing_or_that_others_may_write_is_not_run(tmp_path):
    missing = perform([claim("run_script", argv=[str(tmp_path / "none")], timeout=5)], services(), NOW)
    assert (missing.result, "not found" in missing.why) == ("failed", True)
    path = tmp_path / "script"
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o722)
    assert "others may write" in perform([claim("run_script", argv=[str(path)], timeout=5)], services(), NOW).why
