"""From bytes to text: transfer encodings and character sets.

In: the bytes of one part and the label its sender gave them. Out: text with LF line ends, and sentences about defects.
May not live here: header fields, MIME structure, anything that knows Amazon.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator

import webencodings

_NOT_BASE64 = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="))
_BASE64 = bytes(set(range(256)) - set(_NOT_BASE64))
_UNDECLARED = ("", "us-ascii", "ascii", "ansi_x3.4-1968", "utf-8", "utf8", "unknown-8bit")
_SEVEN_BIT = {"iso-2022-kr": "iso2022_kr", "hz-gb-2312": "hz", "utf-7": "utf_7"}
_HIGH = bytes(range(0x80, 0x100))
_HIGH_RUN = re.compile(rb"[\x80-\xff]{3}")
_UTF8_CHARACTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}")
_PAIR = re.compile(rb"[\x81-\xfe][\x40-\x7e\x80-\xfe]")
_COMMON_GB = re.compile(rb"[\xa1-\xf7][\xa1-\xfe]|[\xa8\xa9][\x40-\xa0]")
_KANA = re.compile("[\u3041-\u3093\u30a1-\u30f6]")
_HALF_WIDTH = re.compile("[\uff61-\uff9f]")


def transfer(data: bytes, encoding: str) -> tuple[bytes, tuple[str, ...]]:
    """Undo a Content-Transfer-Encoding (RFC 2045 section 6), reading as much of a broken one as there is."""
    name = encoding.strip().lower()
    if name == "base64":
        out = bytearray()
        for chunk in data.translate(None, _NOT_BASE64).split(b"="):
            usable = chunk[:-1] if len(chunk) % 4 == 1 else chunk
            out += binascii.a2b_base64(usable + b"=" * (-len(usable) % 4))
        clean = len(data.translate(None, _NOT_BASE64)) % 4 == 0 and not data.translate(None, b"\r\n\t ").translate(
            None, _BASE64
        )
        return bytes(out), () if clean else ("The base64 text is damaged.",)
    if name == "quoted-printable":
        # RFC 2045 section 6.7 rule 3: white space at a line's end was added in transport.
        return binascii.a2b_qp(b"\n".join(line.rstrip(b" \t\r") for line in data.split(b"\n"))), ()
    if name in ("", "7bit", "8bit", "binary"):
        return data, ()
    return data, ("The transfer encoding is not known.",)


def _jis_pairs(data: bytes) -> bytes:
    """Turn JIS row/cell pairs into Shift_JIS bytes, where CP932 also has the NEC and IBM rows."""
    out = bytearray()
    for high, low in zip(data[::2], data[1::2], strict=False):
        if not (0x21 <= high <= 0x7E and 0x21 <= low <= 0x7E):
            raise ValueError("not a JIS pair")
        row = high - 0x21
        lead = row // 2 + (0x81 if row < 62 else 0xC1)
        out.append(lead)
        out.append(low + 0x7E if row % 2 else low + (0x1F if low < 0x60 else 0x20))
    if len(data) % 2:
        raise ValueError("half a JIS pair")
    return bytes(out)


def _iso2022jp(data: bytes) -> str:
    """Decode ISO-2022-JP (RFC 1468) with the vendor rows that no CPython codec knows."""
    out: list[str] = []
    for line in data.splitlines(keepends=True):
        first, *rest = line.split(b"\x1b")
        out.append(first.decode("ascii"))
        for piece in rest:
            end = b"\n" if piece.endswith(b"\n") else b""
            if piece[:2] in (b"$B", b"$@"):
                out.append(_jis_pairs(piece[2:].rstrip(b"\r\n")).decode("cp932") + end.decode())
            elif piece[:2] in (b"(B", b"(J"):
                out.append(piece[2:].decode("ascii"))
            elif piece[:2] == b"(I":
                out.append(bytes(b | 0x80 if b >= 0x21 else b for b in piece[2:]).decode("cp932"))
            elif piece[:3] == b"$(D":
                pairs = piece[3:].rstrip(b"\r\n")
                out.append((b"\x1b$(D" + pairs + b"\x1b(B").decode("iso2022_jp_2") + end.decode())
            else:
                raise ValueError("unknown escape")
    return "".join(out)


def _euc_jp(data: bytes) -> str:
    """Decode EUC-JP whose NEC rows the CPython codec refuses: each run of pairs goes through CP932."""
    out: list[str] = []
    for run in re.split(rb"((?:[\xa1-\xfe]{2})+)", data):
        if run[:1] >= b"\xa1":
            out.append(_jis_pairs(bytes(b & 0x7F for b in run)).decode("cp932"))
        else:
            out.append(run.decode("euc_jp"))
    return "".join(out)


def _attempts(data: bytes, label: str) -> Iterator[str]:
    """Yield the ways to read `data`, most believable first, as names that `_try` knows."""
    name = label.strip().lower()
    found = webencodings.lookup(name)
    codec = found.codec_info.name if found else ""
    web = found.name if found else ""
    if web == "iso-2022-jp" or (b"\x1b$" in data and (name in _UNDECLARED or web in ("", "windows-1252", "shift_jis"))):
        yield "iso-2022-jp"
    if name in _SEVEN_BIT:
        yield _SEVEN_BIT[name]
    if not codec or name in _UNDECLARED or web == "windows-1252" or web in ("replacement", "x-user-defined"):
        yield "utf-8"
    if codec and name not in _UNDECLARED and web not in ("replacement", "x-user-defined", "iso-2022-jp"):
        yield codec
    if web == "euc-jp":
        yield "euc-jp-nec"
    if web == "gbk":
        yield "gb18030"
    yield "utf-8"


def _try(data: bytes, codec: str) -> str | None:
    try:
        if codec == "iso-2022-jp":
            return _iso2022jp(data)
        if codec == "euc-jp-nec":
            return _euc_jp(data)
        return data.decode(codec)
    except UnicodeDecodeError as error:
        # why: a mail cut inside its last character is still UTF-8, and another character set would make up letters
        cut = codec == "utf-8" and error.reason == "unexpected end of data" and not data[: error.start].isascii()
        return data[: error.start].decode(codec) + "\ufffd" if cut else None
    except (ValueError, LookupError):
        return None


def _despite_label(data: bytes) -> str | None:
    """Decode text whose label is proven wrong, where the bytes themselves leave no doubt; None where they do.

    Shift_JIS and EUC-JP show by their kana, GB 18030 by hardly any but pairs of its common rows, Windows-1252 by a few single bytes
    among ASCII. Text with UTF-8 characters in it is damaged UTF-8, and nothing else.
    """
    if _UTF8_CHARACTER.search(data) and not _HIGH_RUN.search(data):
        return None
    for codec in ("cp932", "euc_jp"):
        japanese = _try(data, codec)
        if japanese is not None and len(_KANA.findall(japanese)) > 5 and not _HALF_WIDTH.search(japanese):
            return japanese
    high = len(data) - len(data.translate(None, _HIGH))
    pairs = _PAIR.findall(data)
    if high > 20 and sum(_COMMON_GB.fullmatch(pair) is not None for pair in pairs) > len(pairs) * 0.9:
        chinese = _try(data, "gb18030")
        if chinese is not None:
            return chinese
    if high * 12 < len(data) and not _HIGH_RUN.search(data) and not _UTF8_CHARACTER.search(data):
        return _try(data, "cp1252")
    return None


def decode(data: bytes, label: str) -> tuple[str, tuple[str, ...]]:
    """Decode `data` labelled `label`; a label that lies or is unknown is a defect, never an error."""
    defects: list[str] = []
    if data.startswith(b"\xef\xbb\xbf"):
        data, label = data[3:], "utf-8"
    elif data.startswith((b"\xff\xfe", b"\xfe\xff")) and label.lower() in ("", "utf-16"):
        label, data = ("utf-16le" if data[0] == 0xFF else "utf-16be"), data[2:]
    if label and webencodings.lookup(label) is None and label.strip().lower() not in (*_UNDECLARED, *_SEVEN_BIT):
        defects.append("The character set of a part is not known.")
    text: str | None = None
    for codec in _attempts(data, label):
        text = _try(data, codec)
        if text is not None:
            break
    if text is None and (text := _despite_label(data)) is not None:
        defects.append("The character set that a part declares is not the one it is written in.")
    if text is None:
        found = webencodings.lookup(label)
        usable = found.codec_info.name if found and found.name not in ("replacement", "iso-2022-jp") else "utf-8"
        text = data.decode(usable, "replace")
        defects.append("Some characters could not be read in the character set that the part declares.")
    return text.replace("\r\n", "\n").replace("\r", "\n"), tuple(defects)
