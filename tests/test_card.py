"""A law's card: what it holds, that it repeats to the bit, and that a change shows."""

import copy
import json

import numpy as np
import pytest

import jaxscale as js
from jaxscale.terminal.console import jsonable
from jaxscale.trust import card as cards
from tests.test_cli import call, document

TABLE = "simulated_ladder"


@pytest.fixture(scope="module")
def tables() -> dict[str, js.Runs]:
    return {TABLE: js.datasets.load(TABLE)}


@pytest.fixture(scope="module")
def made(tables) -> dict:
    return jsonable(cards.card("chinchilla", tables, against=["kaplan_nd"]))


def test_a_card_says_what_it_was_made_of(made):
    assert made["law"] == "chinchilla"
    assert made["tables"][TABLE]["rows"] == 60
    assert made["source_hash"] == js.get_law("chinchilla").source_hash
    assert {"jax", "numpyro", "jaxscale"} <= set(made["versions"])
    assert len(made["contract"]) > 8
    first, other = made["scores"]
    assert (first["law"], other["law"]) == ("chinchilla", "kaplan_nd")
    backtest = js.backtest(js.datasets.load(TABLE), ["chinchilla"]).iloc[0]
    scores = ["log_rmse", "crps", "coverage90"]
    assert [first[s] for s in scores] == backtest[scores].tolist()
    assert 0.9 < first["r2"] <= 1.0
    assert first["crps"] < other["crps"]  # the table was drawn from the law
    assert list(made["leaderboard"]) == ["chinchilla", "kaplan_nd"]


def test_a_card_repeats_to_the_bit_and_any_change_shows(made, tables):
    again = jsonable(cards.card("chinchilla", tables, against=["kaplan_nd"]))
    assert cards.differences(made, again) == []
    assert made["seconds"] != again["seconds"]
    changed = copy.deepcopy(again)
    changed["scores"][1]["crps"] = float(np.nextafter(changed["scores"][1]["crps"], 1.0))
    assert len(cards.differences(made, changed)) == 1
    runs = js.read_runs(tables[TABLE].table.assign(loss=lambda t: t.loss * (1 + 1e-12)))
    assert cards._hash(runs, js.get_law("chinchilla")) != made["tables"][TABLE]["sha256"]


def test_tables_at_hand_have_what_the_law_needs():
    assert TABLE in cards.at_hand(js.get_law("chinchilla"))
    assert TABLE not in cards.at_hand(js.get_law("hestness"))


def test_the_command_reruns_a_card_and_says_what_differs(made, tmp_path):
    file = tmp_path / "card.json"
    file.write_text(json.dumps(made))
    same = call("bench", "--rerun", file)
    assert same.code == 0
    assert "The same to the bit." in same.out
    made = copy.deepcopy(made)
    made["scores"][0]["crps"] *= 2.0
    file.write_text(json.dumps(made))
    other = call("bench", "--rerun", file, "--json")
    assert other.code == 1
    assert json.loads(other.out)["differences"][0].startswith("scores[0].crps")


def test_reproduce_takes_a_card(made, tmp_path):
    file = tmp_path / "card.json"
    made = copy.deepcopy(made)
    made["versions"]["jax"] = "0.0.1"
    file.write_text(json.dumps(made))
    same = document("reproduce", file)
    assert (same["reproduced"], same["exact"], same["versions"]["jax"]["then"]) == (True, True, "0.0.1")
    assert same["verdict"].startswith("Every number is the same to the last bit; jax 0.0.1 then, ")
    made["scores"][1]["crps"] *= 2.0
    file.write_text(json.dumps(made))
    other = call("reproduce", file)
    assert other.code == 1
    assert other.out.startswith("DIFFERS: scores[1].crps")


@pytest.mark.parametrize(
    "arguments", [[], ["no_such_law"], ["--rerun", "nothing.json"], ["chinchilla", "--table", "none.csv"]]
)
def test_slips_of_the_command(arguments):
    assert call("bench", *arguments).code == 2
