"""What people read, in four languages: nothing is missing, nothing is left over, every value is filled in."""

from __future__ import annotations

import re
import string
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mailrules.language.ast import Text
from mailrules.ruleset import RuleSet, load
from mailrules.ruletests import run_tests
from mailrules.shipped import grammar_text, shipped_rules, shipped_text
from mailrules.spine.live import mail_of_test
from mailrules.words import LANGUAGES, best_language, catalogue, say

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "mailrules" / "catalogues"
AREAS = sorted({path.name.split(".")[0] for path in FOLDER.glob("*.toml")})
OTHERS = LANGUAGES[1:]
CODE = "\n".join(
    path.read_text(encoding="utf-8")
    for pattern in ("*.py", "*.html")
    for path in sorted((ROOT / "mailrules").rglob(pattern))
)
KANA, HAN = re.compile("[\u3040-\u30ff]"), re.compile("[\u4e00-\u9fff]")


def holes(text: str) -> list[str]:
    return sorted(name for _, name, _, _ in string.Formatter().parse(text) if name is not None)


def test_every_area_is_there_in_every_language_and_no_other_file() -> None:
    assert len(AREAS) >= 4
    assert {p.name for p in FOLDER.iterdir()} == {f"{area}.{language}.toml" for area in AREAS for language in LANGUAGES}


@pytest.mark.parametrize("language", OTHERS)
@pytest.mark.parametrize("area", AREAS)
def test_no_string_is_missing_or_left_over_and_each_has_the_same_values(area: str, language: str) -> None:
    english, other = catalogue(area, "en"), catalogue(area, language)
    assert list(other) == list(english)
    for name, text in english.items():
        assert holes(other[name]) == holes(text), name
        assert other[name].strip() or not text.strip(), name
        assert (other[name][:2] == "  ") == (text[:2] == "  "), name


@pytest.mark.parametrize("area", AREAS)
def test_a_translation_is_written_in_its_language(area: str) -> None:
    """A text that was copied from English has no letter of its own; product names and bare values are left alone."""
    for name, text in catalogue(area, "en").items():
        words = re.sub(r"\{[^}]*\}|`[^`]*`|[^A-Za-z ]", " ", text).split()
        if len([word for word in words if word[0].islower() and len(word) > 3]) < 3:
            continue
        japanese, chinese = catalogue(area, "ja")[name], catalogue(area, "zh")[name]
        assert KANA.search(japanese), (name, japanese)
        assert HAN.search(chinese), (name, chinese)
        assert not KANA.search(chinese), (name, chinese)
        assert catalogue(area, "de")[name] != text, name


@pytest.mark.parametrize("area", AREAS)
def test_every_string_is_said_somewhere(area: str) -> None:
    begun = re.findall(rf"""["']{area}\.(\w*)(?:\{{|["'] ?[~+])""", CODE)
    if area == "page":  # its own function knows the area
        begun += re.findall(r"""["'](\w+_)(?:\{|["'] ?[~+])""", CODE)
    unsaid = []
    for name in catalogue(area, "en"):
        stems = {name, re.sub("_(one|many|until|text)$", "", name)}  # of what is counted, or said in addition
        rest = {stem.removeprefix(begin) for stem in stems for begin in begun if stem.startswith(begin)}
        said = [rf"""["']({area}\.)?{stem}["']""" for stem in stems]
        said += [rf"""["']{r.replace("_", "[_ ]")}["']|\b{r}\b *[=:]""" for r in rest]
        if not any(map(str.isdigit, rest)) and not any(re.search(pattern, CODE) for pattern in said):
            unsaid.append(name)
    assert unsaid == []


def test_every_key_in_the_code_exists() -> None:
    for area, name in re.findall(r"""\b(?:say|tell|ask|hidden|agrees)\((?:[\w.]+, )?["'](\w+)\.(\w+)["']""", CODE):
        assert name in catalogue(area, "en"), f"{area}.{name}"


def test_a_catalogue_names_each_key_once_and_holds_texts_only() -> None:
    for path in FOLDER.iterdir():
        assert all(isinstance(text, str) for text in tomllib.loads(path.read_text(encoding="utf-8")).values()), (
            path.name
        )


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("ja_JP.UTF-8", "ja"),
        ("zh-CN", "zh"),
        ("zh_TW", "zh"),
        ("de", "de"),
        ("de_AT@euro", "de"),
        ("C.UTF-8", "en"),
        ("", "en"),
        ("fr_FR", "en"),
    ],
)
def test_a_locale_finds_its_language_and_all_others_english(name: str, language: str) -> None:
    assert best_language(name) == language
    assert say(name, "mail.several", count=2) == say(language, "mail.several", count=2)


def starter(language: str) -> RuleSet:
    name = "rules/starter.rules" if language == "en" else f"rules/starter.{language}.rules"
    return load([*shipped_rules(), (name, shipped_text(name))], grammar_text(), people={"owner": "owner@shop.example"})


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_starter_rules_check_and_their_tests_pass_in_every_language(language: str) -> None:
    rules = starter(language)
    assert [p for p in rules.problems if "starter" in p.span.file] == []
    results = list(run_tests(rules, mail_of_test(ROOT), without={path for path, _ in shipped_rules()}))
    assert len(results) == 7
    assert [(r.name, r.failures) for r in results if r.failures] == []


@pytest.mark.parametrize("language", OTHERS)
def test_the_starter_rules_mean_the_same_in_every_language(language: str) -> None:
    """Without the texts for people and the comments, the files are the same."""

    def bare(name: str) -> list[str]:
        lines = [re.sub(r'"[^"]*"', '"…"', line) for line in shipped_text(name).splitlines()]
        return [line for line in lines if not line.lstrip().startswith("#")]

    assert bare(f"rules/starter.{language}.rules") == bare("rules/starter.rules")

    def texts(language: str) -> list[Any]:
        rules = sorted(starter(language).rules, key=lambda rule: rule.span.line)
        return [call.text for rule in rules if "starter" in rule.span.file for call in rule.calls]

    for text, other in zip(texts("en"), texts(language), strict=True):
        if isinstance(text, Text) and isinstance(other, Text):
            assert text.value != other.value
            assert sorted(re.findall(r"\{\{.*?\}\}", text.value)) == sorted(re.findall(r"\{\{.*?\}\}", other.value))
