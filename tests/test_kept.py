"""Checked rules that are kept: equal to parsed ones, never in doubt, never decisive."""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailrules import config as configuration
from mailrules.errors import ConfigError
from mailrules.ruleset import RuleSet, load
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.kept import Kept, key_of
from mailrules.spine.live import live_rules, load_rules
from mailrules.store import Store

ROOT = Path(__file__).resolve().parent.parent
GRAMMAR, SHIPPED = grammar_text(), shipped_rules()
FILES = sorted(
    [*ROOT.glob("rules/*.rules"), *ROOT.glob("rules/examples/*.rules"), *ROOT.glob("tests/fixtures/rules/*.rules")]
)
STARTER = ROOT / "rules" / "starter.rules"
SETTING = """\
rules = ["own.rules"]

[accounts.shop]
host = "imap.shop.example"
user = "seller"
password = { env = "NOBODY" }

[people]
owner = "owner@shop.example"
"""
RULE = 'rule "r" {\n  on authorization_expiring\n  notify owner "T"\n}\n'
OTHER = 'rule "s" {\n  on authorization_expiring\n  create task "T"\n}\n'


def same(one: RuleSet, other: RuleSet) -> bool:
    """Whether two rule sets say the same, places and all."""
    return (repr(one.definitions), repr(one.problems), one.sources) == (
        repr(other.definitions), repr(other.problems), other.sources
    ) and one.wordings == other.wordings  # fmt: skip


def names(rules: RuleSet) -> set[str]:
    return {rule.name.value for rule in rules.rules}


def setting(folder: Path, people: str = "", rules: str = RULE) -> configuration.Config:
    (folder / "own.rules").write_text(rules, encoding="utf-8")
    (folder / "mailrules.toml").write_text(SETTING + people, encoding="utf-8")
    return configuration.load(str(folder / "mailrules.toml"))


def kept_file(folder: Path) -> Path:
    (found,) = (folder / "state" / "mailrules.db.cache").iterdir()
    return found


def keep(folder: Path) -> tuple[configuration.Config, RuleSet]:
    """Let a rule set be kept; return what parsing gives."""
    config = setting(folder)
    (folder / "state").mkdir(mode=0o700)
    files = [*SHIPPED, ("own.rules", RULE)]
    return config, load_rules(files, config, keep=True)


def found(config: configuration.Config) -> RuleSet | None:
    files = [*SHIPPED, ("own.rules", RULE)]
    return Kept.beside(config.store).find(key_of(files, GRAMMAR, config.world.people, {}), files)


def test_every_rule_set_comes_back_as_parsing_gives_it(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "cache")
    sets = [[(path.name, path.read_text(encoding="utf-8-sig"))] for path in FILES]
    for files in [*sets, [*SHIPPED, (STARTER.name, STARTER.read_text(encoding="utf-8"))]]:
        parsed = load(files, GRAMMAR)
        kept.keep("k", parsed)
        back = kept.find("k", files)
        assert back is not None, files[-1][0]
        assert same(back, parsed), files[-1][0]


TAKING = """\
import sys
from pathlib import Path
from mailrules.shipped import grammar_text, shipped_rules
from mailrules.spine.kept import Kept, key_of
files = shipped_rules()
print(Kept(Path(sys.argv[1])).find(key_of(files, grammar_text(), None, {}), files) is not None, *sorted(sys.modules))
"""


def test_taking_what_is_kept_imports_nothing_that_parses_checks_or_writes_classes(tmp_path: Path) -> None:
    Kept(tmp_path / "cache").keep(key_of(SHIPPED, GRAMMAR, None, {}), load(SHIPPED, GRAMMAR))
    done = subprocess.run(
        [sys.executable, "-c", TAKING, str(tmp_path / "cache")],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, capture_output=True, check=True,
    )  # fmt: skip
    there, *modules = done.stdout.split()
    assert there == "True"
    assert "mailrules.language.ast" in modules
    heavy = {
        "lark",
        "json",
        "dataclasses",
        "inspect",
        "datetime",
        "mailrules.language.check",
        "mailrules.language.syntax",
    }
    assert heavy.isdisjoint(modules)


def test_what_is_kept_is_taken_and_only_where_nothing_has_changed(tmp_path: Path) -> None:
    config, parsed = keep(tmp_path)
    again = found(config)
    assert again is not None
    assert same(again, parsed)
    assert not load_rules([*SHIPPED, ("own.rules", RULE)], config).errors
    other = setting(tmp_path, 'nobody = "n@shop.example"\n')
    assert found(other) is None
    assert kept_file(tmp_path).stat().st_mode & 0o077 == 0
    assert kept_file(tmp_path).parent.stat().st_mode & 0o077 == 0


@pytest.fixture(scope="module")
def lying(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    folder = tmp_path_factory.mktemp("kept")
    keep(folder)
    return kept_file(folder), kept_file(folder).read_bytes()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_flipped_byte_is_as_if_nothing_had_been_kept(lying: tuple[Path, bytes], data: st.DataObject) -> None:
    path, content = lying
    at = data.draw(st.one_of(st.integers(0, 80), st.integers(0, len(content) - 1)))
    changed = bytearray(content)
    changed[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(changed), content[:at]):
        path.write_bytes(damaged)
        assert Kept(path.parent).find(path.name, []) is None
    path.write_bytes(content)
    assert Kept(path.parent).find(path.name, []) is not None


def test_a_text_with_a_right_digest_that_means_nothing_is_not_there(tmp_path: Path) -> None:
    import hashlib

    config, _ = keep(tmp_path)
    path = kept_file(tmp_path)
    content = path.read_bytes().split(b"\n", 1)[1]
    size, _, rest = content.partition(b"\n")
    told, text = array("I", rest[: int(size)]), rest[int(size) :]

    def written(numbers: array[int], text: bytes = text) -> bytes:
        return b"%d\n%b%b" % (len(numbers) * numbers.itemsize, numbers.tobytes(), text)

    assert written(told) == content
    many = [array("I", [*told[:at], 2**32 - 1, *told[at + 1 :]]) for at in (0, 1, 2, 3, 3 + told[1], len(told) - 1)]
    for body in (
        b"",
        b"[]",
        b"0\n",
        b"-4\n" + rest,
        b"1" * 100_000 + b"\n" + rest,
        b"%d\n%b" % (int(size) - 1, rest),
        b"\xff",
        content.replace(b"Span", b"Spun"),
        content[:-1],
        content + b"x",
        written(told[:-1]),
        written(array("I", [*told, 0])),
        written(array("I", [])),
        *map(written, many),
        written(told, b""),
    ):
        path.write_bytes(hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        assert found(config) is None


@pytest.mark.skipif(os.name != "posix", reason="owners and modes are POSIX's")
def test_a_folder_or_file_that_others_could_have_written_is_not_looked_at(tmp_path: Path) -> None:
    config, _ = keep(tmp_path)
    path = kept_file(tmp_path)
    for place, mode in ((path.parent, 0o770), (path.parent, 0o701), (path, 0o660), (path, 0o604)):
        before = place.stat().st_mode & 0o777
        place.chmod(mode)
        assert found(config) is None
        place.chmod(before)
        assert found(config) is not None
    if os.geteuid() == 0:
        for place in (path, path.parent):
            os.chown(place, 12345, -1)
            assert found(config) is None
            os.chown(place, 0, -1)
    away = tmp_path / "away"
    path.rename(away)
    path.symlink_to(away)
    assert found(config) is None
    path.unlink()
    away.rename(path)
    path.parent.rename(tmp_path / "elsewhere")
    path.parent.symlink_to(tmp_path / "elsewhere")
    assert found(config) is None


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_nothing_is_kept_where_others_may_write_and_rules_load_all_the_same(tmp_path: Path) -> None:
    config = setting(tmp_path)
    cache = tmp_path / "state" / "mailrules.db.cache"
    cache.mkdir(parents=True)
    cache.chmod(0o777)
    assert not load_rules([*SHIPPED, ("own.rules", RULE)], config, keep=True).errors
    assert list(cache.iterdir()) == []
    cache.rmdir()
    cache.write_text("a file in the way")
    assert not load_rules([*SHIPPED, ("own.rules", RULE)], config, keep=True).errors


def test_deleting_what_is_kept_changes_nothing_and_old_sets_are_thinned_out(tmp_path: Path) -> None:
    config, parsed = keep(tmp_path)
    kept_file(tmp_path).unlink()
    assert same(load_rules([*SHIPPED, ("own.rules", RULE)], config, keep=True), parsed)
    for number in range(8):
        load_rules([*SHIPPED, ("own.rules", RULE + f"# {number}\n")], config, keep=True)
    assert len(list((tmp_path / "state" / "mailrules.db.cache").iterdir())) == 4


def test_last_good_rules_that_name_somebody_who_is_gone_are_not_polled_with(tmp_path: Path) -> None:
    config = setting(tmp_path, rules=RULE + OTHER)
    with Store.open(config.store, now="2024-01-01T00:00:00+00:00") as store:
        rules, error = live_rules(config, store, "2024-01-01T00:00:00+00:00", keep=True)
        assert error is None
        assert {"r", "s"} <= names(rules)
        (tmp_path / "own.rules").write_text("rule {", encoding="utf-8")
        rules, error = live_rules(config, store, "2024-01-02T00:00:00+00:00", keep=True)
        assert error is not None
        assert {"r", "s"} <= names(rules)
        (tmp_path / "mailrules.toml").write_text(SETTING.replace("owner =", "boss ="), encoding="utf-8")
        gone = configuration.load(str(tmp_path / "mailrules.toml"))
        for _ in range(2):  # the second time from what was kept
            with pytest.raises(ConfigError, match="nor do the last good rules fit"):
                live_rules(gone, store, "2024-01-03T00:00:00+00:00", keep=True)


def test_where_nothing_of_the_last_good_rules_can_be_told_apart_they_are_refused(tmp_path: Path) -> None:
    config = setting(tmp_path, rules="rule {")
    with (
        Store.open(config.store, now="2024-01-01T00:00:00+00:00") as store,
        pytest.raises(ConfigError, match="problem"),
    ):
        live_rules(config, store, "2024-01-01T00:00:00+00:00")
