"""Tasks as a table to take along: for spreadsheets, which must not calculate, and for programs."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from mailrules.cli.commands import app
from mailrules.cli.listings import TAKEN
from mailrules.errors import UsageError
from mailrules.ledger.exchange import to_csv
from tests.life import warning
from tests.shop import NOW, Shop, empty, filled

FORMULAS = ('=HYPERLINK("http://evil.example","ok")', "+1+1", "-2+3", "@SUM(1)", "\t=1", "'=1")


def run(shop: Shop, *words: str) -> str:
    done = CliRunner().invoke(app, ["tasks", "export", *words, "--config", str(shop.folder / "mailrules.toml")])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.stdout_bytes.decode()


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    return filled(tmp_path_factory.mktemp("shop"))


def test_both_forms_hold_the_same_open_tasks(lived):
    table = list(csv.DictReader(io.StringIO(run(lived, "--csv").removeprefix("\ufeff"))))
    rows = [json.loads(line) for line in run(lived, "--json").splitlines()]
    assert [row["id"] for row in table] == [row["id"] for row in rows] == [t["id"] for t in lived.store.tasks("open")]
    assert tuple(table[0]) == tuple(rows[0]) == TAKEN
    (one,) = [row for row in table if row["developer"] == "Never Settle"]
    assert (one["due"], one["deadline"], one["developer_id"]) == ("2024-04-03", "2024-04-10", "4464-5354-5547")
    assert "Renew at: https://sellercentral.amazon.com" in one["body"]


@pytest.mark.parametrize("name", FORMULAS)
def test_no_cell_is_a_formula(tmp_path, name):
    shop = empty(tmp_path)
    shop.life.mail(warning(name=name), NOW - timedelta(days=14), trust="bound")
    (known,) = shop.store.ledger().live()
    (row,) = csv.DictReader(io.StringIO(run(shop, "--csv").removeprefix("\ufeff")))
    assert not [
        cell for cell in row.values() if cell.startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n"))
    ]
    assert row["developer"] in (known.developer, f"'{known.developer}")
    assert json.loads(run(shop, "--json"))["developer"] == known.developer


def test_those_done_are_told_on_request_and_a_file_is_written(tmp_path):
    shop = filled(tmp_path)
    shop.store.finish_task("1", NOW.isoformat())
    target = tmp_path / "tasks.csv"
    assert run(shop, str(target), "--csv", "--all") == f"5 tasks written to {target}\n"
    table = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8-sig"))))
    assert [row["done_at"] for row in table if row["status"] == "done"] == [NOW.isoformat()]
    assert len(run(shop, "--json").splitlines()) == 4
    for wrong in ([], ["--csv", "--json"]):
        with pytest.raises(UsageError, match="one of --csv and --json"):
            run(shop, *wrong)


@pytest.mark.parametrize("cell", ["＝1+1", "＋1", "－1+1", "＠SUM(1)", "\n=1"])
def test_no_full_width_sign_begins_a_cell(cell):
    (row,) = csv.DictReader(io.StringIO(to_csv([{"title": cell}], ["title"]), newline=""))
    assert row["title"] == f"'{cell}"
