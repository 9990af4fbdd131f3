"""Reading mail: character sets, transfer encodings, HTML, nesting, caps, and that any bytes give a Message."""

from __future__ import annotations

import base64
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailrules.mail.headers import decode_field, header_fields
from mailrules.mail.html import html_to_text
from mailrules.mail.message import Message, RawMessage
from mailrules.mail.parse import parse_message
from mailrules.mail.text import decode


def read(content: bytes, media_type: str = "message/rfc822") -> Message:
    when = datetime(2026, 1, 1, tzinfo=UTC)
    return parse_message(RawMessage(source="x", content=content, received_at=when, media_type=media_type))


def test_japanese_7bit_mail_is_decoded_with_its_vendor_rows() -> None:
    body = "認証".encode("iso2022_jp") + b" \x1b$B-!\x1b(B"
    for label in (b"iso-2022-jp", b"us-ascii", b"utf-8"):
        message = read(b"Content-Type: text/plain; charset=" + label + b"\n\n" + body)
        assert message.parts[0].text == "認証 ①"
        assert message.defects == ()


@pytest.mark.parametrize(
    ("text", "truth", "label"),
    [
        ("朱镕基", "gbk", "gb2312"),
        ("㐀朱", "gb18030", "gbk"),
        ("①髙", "cp932", "shift_jis"),
        ("①", "utf-8", "iso-8859-1"),
        ("“hi”", "cp1252", "iso-8859-1"),
        ("한국", "cp949", "euc-kr"),
        ("日本", "utf-8", "us-ascii"),
        ("日本", "utf-8", "shift-nonsense"),
        ("開発者のニックネームと有効期限です", "euc_jp", "us-ascii"),
        ("開発者のニックネームと有効期限です", "euc_jp", ""),
        ("開発者のニックネーム", "iso2022_jp", "x-unknown"),
    ],
)
def test_labels_that_lie_are_seen_through(text: str, truth: str, label: str) -> None:
    assert decode(text.encode(truth), label)[0] == text


def test_unreadable_bytes_are_a_defect() -> None:
    text, defects = decode(b"a\xffb", "utf-8")
    assert text == "a\ufffdb"
    assert defects


def test_quoted_printable_and_base64_are_undone_even_when_damaged() -> None:
    quoted = b"Content-Transfer-Encoding: quoted-printable\n\nM5A=\n3E5 =\t\nexpires=20=C3=A9 =ZZ"
    assert read(quoted).parts[0].text == "M5A3E5 expires é =ZZ"
    damaged = base64.b64encode("é ok".encode()).rstrip(b"=")[:3] + b"!\n" + base64.b64encode("é ok".encode())[3:]
    message = read(b"Content-Transfer-Encoding: base64\nContent-Type: text/plain; charset=utf-8\n\n" + damaged)
    assert message.parts[0].text == "é ok"
    assert message.defects


BOTH = b"""From: a@shop.test
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/plain

plain
--i
Content-Type: text/html

<p>rich</p>
--i--
--o
Content-Type: message/rfc822

From: no-reply@amazon.com
Authentication-Results: mx.test; dmarc=pass header.from=amazon.com
Subject: inner

notice
--o
Content-Type: text/plain
Content-Disposition: attachment; filename=a.txt

attached text
--o--
"""


def test_both_parts_are_read_and_a_nested_message_stays_apart() -> None:
    message = read(BOTH)
    assert [(part.path, part.html, part.text.strip()) for part in message.parts] == [
        ("1.1", False, "plain"),
        ("1.2", True, "rich"),
    ]
    (inner,) = message.attached
    assert (inner.path, inner.subject, inner.auth.result) == ("2", "inner", "none")
    assert inner.sender is not None
    assert [(part.path, part.text) for part in inner.parts] == [("2.1", "notice")]


def test_header_text_is_joined_and_free_of_control_characters() -> None:
    split = "認証".encode()
    words = b"=?utf-8?B?" + base64.b64encode(split[:4]) + b"?=\r\n =?utf-8?B?" + base64.b64encode(split[4:]) + b"?="
    assert decode_field(words) == "認証"
    assert decode_field(b"=?utf-8?q?hello=0D=0ABcc:_victim?=") == "hello Bcc: victim"
    assert "\n" not in decode_field(b"a\r\n b\rc\0d")
    assert decode_field(b"=?x?q?a?= =?utf-8?b?!!!?=") == "a"


def test_html_is_read_as_lines_rows_and_visible_links() -> None:
    text, links, defects = html_to_text(
        "<head><title>t</title></head><div>one&nbsp; two<br>three</div><a href='https://a.test/x'>go</a>"
        "<table><tr><td><table><tr><th>k</th><td><p>v</p></td></tr><tr><td>x</td><td>y<br>z</td></tr></table></td></tr>"
        "</table><p>A<b>B</b> c</p><a href='javascript:x'>n</a>"
    )
    assert text.split("\n") == ["one two", "three", "go", "k\tv", "x\ty z", "AB c", "n"]
    assert links == ("https://a.test/x",)
    assert defects == ()


@pytest.mark.parametrize(
    "hidden",
    [
        "<div style='display:none'>BAD</div>",
        "<div style='DISPLAY : none !important'>BAD</div>",
        "<div style='dis/**/play:none;display:/*x*/none'>BAD</div>",
        "<div style='visibility:hidden'><b>BAD</b></div>",
        "<div style='font-size:0px'>BAD</div>",
        "<div style='opacity:0.0'>BAD</div>",
        "<div style='mso-hide:all'>BAD</div>",
        "<div hidden>BAD</div>",
        "<style>BAD</style>",
        "<script>BAD</script>",
        "<!-- BAD -->",
        "<template>BAD</template>",
    ],
)
def test_hidden_text_is_dropped(hidden: str) -> None:
    assert html_to_text(f"<p>a</p>{hidden}<p>b</p>")[0] == "a\nb"


@pytest.mark.parametrize(
    "style",
    [
        "display:\\6eone", "font-size:1px", "font:0/0 a", "opacity:.01", "text-indent:-9999px", "margin-left:-50em", "color:transparent",
        "position:absolute;left:-9999px", "position:fixed;top:-200em", "position:absolute;clip:rect(0,0,0,0)", "clip-path:inset(100%)",
        "width:0;overflow:hidden", "max-height:0px;overflow:hidden", "transform:scale(0)", "content-visibility:hidden",
        "color:rgba(1, 2, 3, 0)", "color:#fff;background:#fff", "color:white", "color:#fefefe", "color:rgb(250, 250, 255)",
        "background-color:black;color:#010101", "background:none;color:#fff", "background-color:transparent !important;color:white",
        "overflow:hidden;width:0;min-width:0", "font:normal 0px/1 Arial", "font:bold 0 a", "font-size:14px;font:0/0 a", "color:#fff0", "color:#ffffff00",
        "color:rgba(255,255,255,.01)", "color:hsla(0, 0%, 0%, 0)", "color:rgb(0 0 0 / 0%)", "color:rgb(100%,100%,100%)", "color:hsl(0,0%,100%)",
        "margin:0 0 0 -9999px", "letter-spacing:-999px", "filter:opacity(0%)", "clip-path:circle(0)", "transform:translateX(-200vw)", "transform:rotateY(90deg)",
        "translate:-9999px", "scale:0", "height:1px;width:1px;overflow:hidden", "height:0;overflow-y:hidden", "text-indent:100%;overflow:hidden",
        "display:none !important;display:block", "display:none! important;display:block", "color:#fff;background:inherit",
    ],
)  # fmt: skip
def test_text_that_is_off_the_page_too_small_or_has_the_color_of_the_page_is_dropped(style: str) -> None:
    assert html_to_text(f"<p>a</p><div style='{style}'>B<b>A</b>D</div><p>b</p>")[0] == "a\nb"


@pytest.mark.parametrize(
    "sheet",
    [
        ".h{display:none}", "/* x */ .other .h, DIV#i.h { COLOR:red; Display : none }", "<!-- @import 'x'; .h{display:none} -->",
        "@media all { .h { visibility:hidden } } .x{}", "@media (width:1px){.h{display:block}} #i{font-size:0}", "div{display:none!important}",
        "*.h{display:none}", "body .h, html > body > .x{display:none}", "[class~='h']{display:none}", "div[id=i]{opacity:0}", ".h{color:#fff}",
        ".h{color:white;color:white} div{color:red} a:hover{color:blue} @media (width:1px){.h{color:red}}", "body{background:#232f3e;color:#fff} .h{color:#232F3E}",
        "p{color:#eee} .h{font-size:9px;font:0/0 a}",
    ],
)  # fmt: skip
def test_text_that_a_style_sheet_hides_is_dropped(sheet: str) -> None:
    own = " style='display:block'" if "!important" in sheet else ""
    assert html_to_text(f"<style>{sheet}</style><p>a</p><div class='h x' id=i{own}>BAD</div><p>b</p>")[0] == "a\nb"


@pytest.mark.parametrize(
    ("sheet", "style"),
    [
        ("@media (max-width:600px){.h{display:none}}", ""), ("@media print{.h{display:none}} @x{{}} .y{display:none}", ""),
        (".h{display:none}", "display:block"), (".y .h{display:none} .h:hover{display:none} *{display:none}", ""), (".h{display:none", ""),
        ("@media x {", ""), (".h{color:#fff;background:#000}", "color:#fff"), ("", "color:#fff;background:#232f3e"), ("", "color:#fff;background:url(x.png)"),
        ("", "color:nonsense"), (".y .h{background:#000}", "color:#fff"), (".y *{background:#000}", "color:#fff"), (".h:not(.y){background:#000}", "color:#fff"),
        (".h{background-color:#fff}", "color:#fff;background:#000"), ("body{background:#000;color:#fff}", "color:#fff"), (".h{color:#fff}", "color:#333"), ("", "background:rgba(0,0,0,.1)"), ("", "font-size:11px;opacity:1;margin-left:-5px;position:relative;left:-2px;width:0;height:0;text-indent:x"),
    ],
)  # fmt: skip
def test_text_that_may_be_seen_is_kept(sheet: str, style: str) -> None:
    text = html_to_text(f"<style>{sheet}</style><p>a</p><div class='h' style='{style}'>good</div><p>b</p>")[0]
    assert text == "a\ngood\nb"


@pytest.mark.parametrize(
    "around",
    [
        "<td style='font-size:0px;padding:10px'><div style='font-family:Arial;font-size:13px'>{}</div></td>",  # MJML
        "<td style='font-size:0px'><div style='font-size:0px;display:inline-block'><p style='font:14px/1 Arial'>{}</p></div></td>",
        "<style>.row{{font-size:0}} .row2,.cell{{font-size:14px}}</style><td class=row><span class=cell>{}</span></td>",
        "<style>.cell{{font-size:14px}}</style><td style='font-size:0'><span class=cell>{}</span></td>",
        "<STYLE>.cell{{FONT-SIZE:14PX}}</STYLE><TD STYLE='FONT-SIZE:0'><SPAN CLASS=cell>{}</SPAN></TD>",
        "<style>#a{{font-size:14px}} .cell{{font-size:0}}</style><td><span id=a class=cell>{}</span></td>",
        "<td style='font-size:0'><font size=2>{}</font></td>", "<td style='height:0;overflow:hidden'>{}</td>",
        "<td bgcolor=#ffffff style='color:#232f3e'><p style='color:inherit'>{}</p></td>", "<td style='background:#000;color:#fff'><p style='background:rgba(255,255,255,.1)'>{}</p></td>",
        "<td style='font:0/0 a'><b style='font:italic bold 12px/30px Georgia, serif'>{}</b></td>", "<td style='font-size:0'><b style='font-size:small'>{}</b></td>",
        "<td style='visibility:hidden'><b style='visibility:visible'>{}</b></td>",
        "<td style='color:transparent'><b style='color:#222'>{}</b></td>",
        "<td style='position:absolute;left:50%;top:50%'>{}</td>", "<td style='position:absolute;top:6400px'>{}</td>",
        "<td style='position:relative;left:-50%'>{}</td>",
        "<td style='max-width:0;overflow:hidden;text-overflow:ellipsis'>{}</td>",
        "<td><div style='width:0;min-width:100%;overflow:hidden'>{}</div></td>",
        "<td bgcolor='#232f3e'><p style='background:transparent;color:#fff'>{}</p></td>",
        "<style>.cut{{max-width:0;overflow:hidden}}</style><td class=cut>{}</td>",
    ],
)  # fmt: skip
def test_text_that_says_of_itself_that_it_is_seen_is_kept(around: str) -> None:
    page = around.format("good <a href='https://a.test/'>link</a>")
    text, links, _ = html_to_text(f"<table><tr>{page}</tr></table><p>b</p>")
    assert (text, links) == ("good link\nb", ("https://a.test/",))


@pytest.mark.parametrize(
    "around",
    [
        "<td style='font-size:0'><b style='font-size:2em'>{}</b></td>", "<td style='font-size:0'><b style='font-size:big'>{}</b></td>",
        "<td style='font-size:0'><b style='font:x'>{}</b></td>", "<td style='font-size:0'><b style='font:bold 2em Arial'>{}</b></td>",
        "<td style='visibility:hidden'><b style='visibility:seen'>{}</b></td>", "<td style='color:transparent'><b style='color:x'>{}</b></td>",
        "<td style='font-size:0'><b style='font-size:inherit'>{}</b></td>",
        "<td style='font-size:0'><b style='color:#222'>{}</b></td>", "<style>.h{{font-size:0}} b{{font-size:14px}}</style><td><b class=h>{}</b></td>",
        "<style>b{{font-size:0!important}}</style><td><b style='font-size:14px'>{}</b></td>",
        "<td style='font-size:14px'><b style='font-size:0'>{}</b></td>", "<td><div style='max-width:0;overflow:hidden'>{}</div></td>",
        "<td style='position:absolute;right:9999px'>{}</td>",
    ],
)  # fmt: skip
def test_text_and_links_of_which_that_does_not_hold_are_dropped(around: str) -> None:
    page = around.format("BAD <a href='https://a.test/'>link</a>")
    assert html_to_text(f"<p>a</p><table><tr>{page}</tr></table><p>b</p>")[:2] == ("a\nb", ())


@pytest.mark.parametrize("tag", ["canvas", "progress", "meter", "datalist", "rp", "desc"])
def test_what_a_browser_shows_in_place_of_an_element_that_it_does_not_know_is_dropped(tag: str) -> None:
    around = ("<svg>", "</svg>") if tag == "desc" else ("<ruby>", "</ruby>") if tag == "rp" else ("", "")
    assert html_to_text(f"<p>a</p>{around[0]}<{tag}>BAD</{tag}>{around[1]}<p>b</p>")[0] == "a\nb"


def test_white_on_white_is_dropped_whatever_a_sheet_says_of_the_color_of_others() -> None:
    sheet = "<style>a{color:#0066c0} .head{background:#232f3e;color:#fff} #outlook a{color:red}</style>"
    page = "<p class=head>good</p><p style='color:#fff'>BAD <a href='https://a.test/'>link</a></p><p class=head>b</p>"
    assert html_to_text(sheet + page)[0] == "good\nlink\nb"


def test_colors_said_too_often_to_be_followed_hide_nothing() -> None:
    sheet = "".join(f"p{{color:#00{n:04}}}" for n in range(200)) + ".h{color:#fff}"
    assert html_to_text(f"<style>{sheet}</style>" + "<p class=h>a</p>" * 20)[0] == "\n".join("a" * 20)


@pytest.mark.parametrize(
    "row",
    [
        "<td>a<br>b<p>c</p></td>", "<td width=20>&nbsp;</td><td><p>a<p>b<div>c</div></td><td width=20>&nbsp;</td>", "<th><ul><li>a<li>b</ul><b>c</b>",
        "<td><table><tr><td>a<br>b</td></tr></table>c</td><td></td>",
    ],
)  # fmt: skip
def test_a_row_of_which_one_cell_says_all_in_several_lines_is_no_line(row: str) -> None:
    assert html_to_text(f"<table><tr>{row}</tr></table>")[0] == "a\nb\nc"


def test_a_row_of_several_cells_is_one_line_though_one_is_empty() -> None:
    rows = (
        "<td>k</td><td>v<br>w</td>",
        "<td>k</td><td></td>",
        "<td><b>k</b></td><td><br>&nbsp;<br></td>",
        "<td>k</td>",
    )
    text = html_to_text(f"<table>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>")[0]
    assert text.split("\n") == ["k\tv w", "k\t", "k\t", "k"]


def test_the_ground_of_an_outer_element_counts_and_a_picture_is_no_color() -> None:
    dark = "<body bgcolor=#000000 text=#ffffff><p>a<font color=black>BAD</font></p></body>"
    assert html_to_text(dark)[0] == "a"
    assert html_to_text("<table background=x.png><tr><td><font color=#ffffff>a</font></td></tr></table>")[0] == "a"


def test_where_a_sheet_is_about_too_many_elements_nothing_is_read_rather_than_what_it_hides() -> None:
    text, links, defects = html_to_text(
        "<style>.h{display:none}</style>" + "<p class=h></p>" * 20_000 + "<p class=h>BAD</p>"
    )
    assert (text, links) == ("", ())
    assert defects == ("A style sheet of the HTML is about too many elements to be read.",)


def test_a_sheet_made_to_be_slow_is_read_in_time() -> None:
    began = time.process_time()
    for sheet in (
        "@a{" * 60_000,
        "{" * 200_000,
        "}" * 200_000,
        "a{b:c}" * 30_000,
        ".h{display:none}" * 12_000,
        "/*" * 100_000,
        "a;" * 100_000,
    ):
        html_to_text(f"<style>{sheet}</style>" + "<i class=h>" * 900 + "x")
    assert time.process_time() - began < 20


def test_a_tag_of_more_attributes_than_anybody_writes_is_not_handed_to_the_parser() -> None:
    began = time.process_time()
    wide = "".join(f" a{n}=b" for n in range(100_000))
    quoted = "".join(f' a{n} x{n}=">"' for n in range(50_000))
    for html in (
        f"<p{wide}>x",
        f"<p{quoted}>x",
        f'<!-- <a b=" --><p{wide}">x',
        f"<script><!--<script></script><p{wide}>x",
    ):
        assert html_to_text(html) == ("", (), ("An element of the HTML has too many attributes to be read.",))
    for html in ("<a '" * 1_900, "<a " + "<a" * 1_900 + " " * 900_000, "<p " + "/" * 900_000, "<b a=1>x</b>" * 900):
        html_to_text(html)
    assert time.process_time() - began < 5
    paragraph = '<p style="' + "margin: 0; " * 400 + '" title="a > b" align = left>a</p>'
    assert html_to_text(paragraph * 20) == ("\n".join("a" * 20), (), ())


def test_of_a_header_no_more_fields_are_read_than_are_asked_for() -> None:
    block = b"A: 1\r\n b\r\nno field\r\n c\r\nB: 2\r\nC: 3\r\n\r\nD: 4\r\n"
    every = (("a", b"1\n b"), ("b", b"2"), ("c", b"3"))
    assert header_fields(block) == every
    assert [header_fields(block, most) for most in range(5)] == [every[:most] for most in range(5)]


def test_a_saved_page_has_one_part_and_no_sender() -> None:
    page = read(b"<meta charset=shift_jis><p>" + "①".encode("cp932"), "text/html")
    assert (page.sender, page.forged, page.parts[0].path, page.parts[0].text) == (None, "", "1", "①")


def test_an_mbox_line_is_passed_over_and_our_own_mail_is_known() -> None:
    message = read(b"From a@b.test Mon Jan  1 00:00:00 2026\nX-Mailrules-Id: 1\nMessage-ID:\n <a@b.test> \n\nx")
    assert message.automatic
    assert message.message_id == "<a@b.test>"
    assert read(b"Auto-Submitted: auto-replied (x); owner-email=a\n\n").automatic
    assert not read(b"Auto-Submitted: auto-generated\n\n").automatic


@pytest.mark.parametrize(
    "content",
    [
        b"X: y\n" * 1_001 + b"\nhi",
        b"X: " + b"y" * 300_000 + b"\n\nhi",
        b"Subject: x\n\n" + b"y" * 25_000_001,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 100_000,
        b"Content-Type: text/plain" + b";" * 200_000 + b"\n\nhi",
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/plain"
        + b";" * 200_000
        + b"\n\nx\n--b--",
    ],
)
def test_over_a_cap_the_message_has_a_defect_and_no_parts(content: bytes) -> None:
    start = time.process_time()
    message = read(content)
    assert message.parts == ()
    assert message.defects
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "content",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(3_000)),
        b"Content-Type: message/rfc822\n\n" * 3_000,
        b"Content-Type: text/html\n\n" + b"<div>" * 100_000,
        b"Content-Type: text/html\n\n" + b"<div><!--</div>-->" * 50_000,
        b"Content-Type: text/html\n\n" + b"<p title='x" * 20_000,
        b"Content-Type: text/html\n\n" + b"".join(b"<b id=%d>" % n for n in range(1_500)) + b"<p>" * 200_000,
        b"Subject: " + b"=?a?q?" * 40_000 + b"\n\nhi",
        b"Subject: " + b"=?utf-8?q?a?= " * 15_000 + b"\n\nhi",
        b"Date: " + b"(" * 200_000 + b"\n\nhi",
        b"Content-Transfer-Encoding: base64\n\n" + b"=" * 1_000_000,
        b"Content-Type: text/plain; charset=iso-2022-jp\n\n" + b"\x1b(B" * 300_000,
    ],
)
def test_hostile_shapes_cost_little(content: bytes) -> None:
    start = time.process_time()
    assert isinstance(read(content), Message)
    assert time.process_time() - start < 3


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=2_000), st.integers(0, len(BOTH)), st.sampled_from(["message/rfc822", "text/html", "text/plain"])
)
def test_any_bytes_parse_to_a_message(noise: bytes, cut: int, media_type: str) -> None:
    assert isinstance(read(noise, media_type), Message)
    assert isinstance(read(BOTH[:cut] + noise + BOTH[cut:]), Message)
