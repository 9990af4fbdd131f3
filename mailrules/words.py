"""What people read, in the languages that they read it in.

In: a language and a key such as "init.password". Out: the sentence with its values filled in; the language that a
system or a person names. May not live here: any sentence (mailrules/catalogues/*.toml, one file an area and language).

The catalogues are part of the program like its code: nothing that a user writes is read here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache

LANGUAGES = ("en", "ja", "de", "zh")
"""The languages of the catalogues; the first is what every other is measured by."""


def best_language(name: str) -> str:
    """Return the language of the catalogues for a locale such as "ja_JP.UTF-8" or "zh-CN"; English for all others."""
    wanted = name.replace("_", "-").partition("-")[0].partition(".")[0].lower()
    return wanted if wanted in LANGUAGES else LANGUAGES[0]


def say(language: str, key: str, /, **values: object) -> str:
    """Return the text of a key, "<area>.<name>", in a language."""
    return _text(language, key).format_map(values)


def counted(language: str, key: str, n: int, /, **values: object) -> str:
    """Return the text of a key about a number of things: that of KEY_one, or of KEY_many."""
    return say(language, f"{key}_{'one' if n == 1 else 'many'}", n=n, **values)


@cache
def _text(language: str, key: str) -> str:
    area, _, name = key.partition(".")
    return catalogue(area, best_language(language))[name]


@cache
def catalogue(area: str, language: str) -> Mapping[str, str]:
    """Return every text of an area in a language, by its name."""
    # why here: every tick of cron passes by, and hardly any has something to say
    from importlib.resources import files

    text = files("mailrules").joinpath("catalogues", f"{area}.{language}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
