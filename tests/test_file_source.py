"""Mail from files: each form is read, bytes are kept, a mistake is one sentence."""

import io
import os
from datetime import UTC, datetime

import pytest

from mailrules.errors import UsageError
from mailrules.sources.files import documents

MAIL = b"From: a@x.test\r\nSubject: one\r\n\r\nbody\r\n"


def read(path, stdin=b""):
    return list(documents(str(path), io.BytesIO(stdin)))


def test_an_eml_file_is_one_message_with_the_time_of_the_file(tmp_path):
    path = tmp_path / "a.eml"
    path.write_bytes(MAIL)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    [raw] = read(path)
    assert (raw.source, raw.content, raw.media_type) == (str(path), MAIL, "message/rfc822")
    assert raw.received_at == datetime.fromtimestamp(1_700_000_000, tz=UTC)


def test_a_maildir_gives_cur_and_new_but_not_tmp(tmp_path):
    for part in ("cur", "new", "tmp"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "1").write_bytes(part.encode())
    assert [raw.content for raw in read(tmp_path)] == [b"cur", b"new"]


def test_a_folder_gives_every_file_below_it_in_order(tmp_path):
    (tmp_path / "z").mkdir()
    for name in ("b.eml", "a.eml", "z/c.eml", ".hidden"):
        (tmp_path / name).write_bytes(name.encode())
    assert [raw.content for raw in read(tmp_path)] == [b"a.eml", b"b.eml", b"z/c.eml"]


def test_an_mbox_is_split_where_a_from_line_has_a_date(tmp_path):
    path = tmp_path / "inbox"
    separator = b"From a@x.test Mon Mar 11 09:30:00 2024\n"
    first = b"Subject: 1\n\nFrom here on it is prose.\n\nFrom Monday it is, too.\n>From quoted\n>>From twice\n"
    path.write_bytes(separator + first + b"\n" + separator + b"Subject: 2\n\nx\n")
    one, two = read(path)
    assert (one.source, two.source) == (f"{path}#1", f"{path}#2")
    assert one.content == first.replace(b">From q", b"From q").replace(b">>From", b">From")
    assert two.content == b"Subject: 2\n\nx\n"


def test_one_leading_from_line_makes_one_message_with_the_plain_name(tmp_path):
    path = tmp_path / "saved.eml"
    path.write_bytes(b"From - Mon Mar 11 09:30:00 2024\r\n" + MAIL)
    [raw] = read(path)
    assert (raw.source, raw.content) == (str(path), MAIL)


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("p.html", b"<p>x", "text/html"),
        ("p.HTM", b"<p>x", "text/html"),
        ("p.txt", b"Developer ID: 123\n\nAccess expires", "text/plain"),
        ("p.txt", b"From Monday on\nit is prose", "text/plain"),
        ("p.txt", MAIL, "message/rfc822"),
        ("p.eml", b"", "message/rfc822"),
        ("p.md", b"# Inbox\n\nDeveloper ID: 123", "text/plain"),
        ("p", b"Developer ID: 123\n\nAccess expires", "text/plain"),
        ("p", MAIL, "message/rfc822"),
        ("p", b"a line that is no field\n" + MAIL, "message/rfc822"),
    ],
)
def test_the_kind_is_told_by_the_name_and_the_first_lines(tmp_path, name, content, kind):
    path = tmp_path / name
    path.write_bytes(content)
    [raw] = read(path)
    assert (raw.media_type, raw.content) == (kind, content)


def test_a_dash_reads_standard_input():
    [raw] = read("-", MAIL)
    assert (raw.source, raw.content, raw.media_type) == ("-", MAIL, "message/rfc822")
    [raw] = read("-", b"ACTION REQUIRED\n\nDeveloper ID: 123\n")
    assert raw.media_type == "text/plain"


def test_a_path_that_is_not_there_is_said_in_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="there is no file or folder"):
        read(tmp_path / "no.eml")


def test_a_large_mbox_is_read_in_a_stream(tmp_path):
    path = tmp_path / "big.mbox"
    one = b"From a Mon Mar 11 09:30:00 2024\n" + MAIL + b"\n"
    path.write_bytes(one * 20_000)
    assert sum(1 for _ in documents(str(path), io.BytesIO())) == 20_000
