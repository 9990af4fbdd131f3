"""One document read in a process of its own, which may hang, eat memory or die: `python -m mailrules.spine.apart`.

In: standard input: one line of JSON (Task), then the bytes of the document. Out: standard output: one Reading as JSON.
May not live here: when this is needed, and what becomes of a document that cannot be read (guard.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import types
from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from mailrules.mail.message import RawMessage
    from mailrules.pipeline import Reading

T = TypeVar("T")
OUT_OF_MEMORY = 12
"""The exit code that says so."""


def limit(name: str, value: int) -> None:
    """Hold this process to a limit, where the machine knows it."""
    try:
        import resource
    except ImportError:
        return
    kind = getattr(resource, name, None)
    if kind is not None:
        _, hard = resource.getrlimit(kind)
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (most, most))


def to_json(reading: Reading) -> str:
    """Return what was read as JSON; the document itself is not repeated."""
    found = {"message": asdict(reading.message), "notices": [asdict(n) for n in reading.notices]}
    return json.dumps(found, default=_text)


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(type(value).__name__)


def from_json(text: str, raw: RawMessage) -> Reading:
    """Return the Reading of `raw` that a child wrote down. Raises ValueError where it is none."""
    from mailrules.mail.message import Message
    from mailrules.notices.notice import Notice
    from mailrules.pipeline import Reading

    try:
        found = json.loads(text)
        message = value_of(Message, found["message"])
        notices = tuple(value_of(Notice, n) for n in found["notices"])
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no reading: {type(error).__name__}") from error
    return Reading(raw=raw, digest=hashlib.sha256(raw.content).hexdigest(), message=message, notices=notices)


def value_of(kind: Any, found: Any) -> Any:
    """Return JSON data as a value of a type; ValueError where it does not fit."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if found is None and type(None) in inner:
            return None
        return value_of(next(i for i in inner if i is not type(None)), found)
    if origin is Literal:
        return _checked(found in inner, found)
    if origin is tuple:
        return tuple(value_of(inner[0], item) for item in _checked(isinstance(found, list), found))
    if origin is not None and issubclass(origin, Mapping):
        return {str(k): value_of(inner[1], v) for k, v in _checked(isinstance(found, dict), found).items()}
    if isinstance(kind, type) and is_dataclass(kind):
        hints = get_type_hints(kind)
        return kind(**{f.name: value_of(hints[f.name], found[f.name]) for f in fields(kind)})
    if kind is datetime:
        return datetime.fromisoformat(found)
    return _checked(isinstance(found, kind), found)


def _checked(fits: bool, found: T) -> T:
    if not fits:
        raise ValueError("a value of another type than was asked for")
    return found


def main() -> None:
    """Read the document on standard input under the limits that its task names."""
    task = json.loads(sys.stdin.buffer.readline())
    for name, value in task["limits"].items():
        limit(name, value)
    from mailrules.mail.message import AuthVerdict, RawMessage
    from mailrules.pipeline import read
    from mailrules.ruleset import load
    from mailrules.shipped import grammar_text
    from mailrules.world import Receiver

    rules = load([(path, text) for path, text in task["rules"]], grammar_text())
    raw = RawMessage(
        source=task["source"], content=sys.stdin.buffer.read(), received_at=datetime.fromisoformat(task["received_at"]),
        media_type=task["media_type"],
    )  # fmt: skip
    receiver = Receiver(**task["receiver"]) if task["receiver"] else None
    try:
        reading = read(
            raw, rules, receiver=receiver, developers=task["developers"], senders=[(a, b) for a, b in task["senders"]],
            signature=value_of(AuthVerdict | None, task["signature"]), trust=task["trust"],
        )  # fmt: skip
        sys.stdout.write(to_json(reading))
        sys.stdout.flush()
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    os._exit(0)  # why: nothing is left to tidy, and what the library built may take long to take down


if __name__ == "__main__":
    main()
