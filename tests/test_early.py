"""Runs of few tokens: taken out where forecasts gain, with the reason on record, and left in where they do not."""

import json

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import jaxscale as js
from jaxscale.cli import app
from jaxscale.trust.early import _chosen

WARM_UP = 3e8  # tokens
PAIR = ("chinchilla", "coupled")


def ladder(bent: float, seed: int = 0) -> pd.DataFrame:
    """Chinchilla's law on a grid of 10 sizes and 8 lengths; the first tokens' losses are higher by a factor."""
    rng = np.random.default_rng(seed)
    size, tokens = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 2e9, 10), np.geomspace(2e7, 2e10, 8)))
    loss = 1.82 + 482.0 / size**0.348 + 2085.0 / tokens**0.366
    loss = loss * (1.0 + bent * np.exp(-tokens / WARM_UP)) * np.exp(0.004 * rng.standard_normal(len(size)))
    return pd.DataFrame({"params": size, "tokens": tokens, "loss": loss})


@pytest.fixture(scope="module")
def bent():
    return js.read_runs(ladder(0.5))


def test_runs_of_the_warm_up_are_taken_out_with_the_reason(bent):
    left = js.without_early(bent, PAIR)
    out = left.excluded
    assert len(left) + len(out) == len(bent)
    assert out["tokens"].max() < left.table["tokens"].min() < 10 * WARM_UP
    assert out["tokens"].max() > WARM_UP
    assert out["reason"].str.contains("without these, chinchilla and coupled forecast the largest fifth").all()
    truth = 1.82 + 482.0 / 2e10**0.348 + 2085.0 / 2e11**0.366
    fit, whole = (js.fit(runs, method="point", progress=False) for runs in (left, bent))
    missed = [
        abs(float(one.law(2e10, 2e11, **{p: one.point[p] for p in one.law.params})) / truth - 1.0)
        for one in (fit, whole)
    ]
    assert missed[0] < 0.5 * missed[1]
    assert len(fit.about["excluded"]) == len(out)


def test_clean_ladders_lose_nothing():
    for seed in range(4):
        left = js.without_early(ladder(0.0, seed), PAIR)
        assert len(left) == 80
        assert "No run was taken out for few tokens: no cut was worth it." in left.notes


def test_the_lowest_of_cuts_that_are_alike_if_it_gains_enough():
    inf = np.inf
    assert _chosen(np.array([0.10, 0.05, 0.021, 0.02, inf])) == 2
    assert _chosen(np.array([0.10, 0.09, 0.081, 0.085])) == 0
    assert _chosen(np.array([0.10, inf, inf])) == 0
    assert _chosen(np.array([inf, 0.01])) == 0


def test_few_runs_and_laws_without_tokens():
    left = js.without_early(ladder(0.5).iloc[::10], PAIR)
    assert any("too few of them to try" in note for note in left.notes)
    with pytest.raises(js.ConfigError, match="kaplan_n has no tokens"):
        js.without_early(ladder(0.5), "kaplan_n")


def test_the_option(bent, tmp_path):
    table = tmp_path / "runs.csv"
    bent.table.to_csv(table, index=False)

    def rows(*given: str) -> int:
        return json.loads(CliRunner().invoke(app, ["doctor", str(table), "--json", *given]).stdout)["rows"]

    assert rows("--min-tokens", "1B") == (bent.table["tokens"] >= 1e9).sum()
    assert rows("--min-tokens", "auto") == len(js.without_early(bent, "chinchilla")) < len(bent)
    assert rows("--min-tokens", "1e6") == len(bent)
    for command, says in (
        (["doctor", str(table), "--min-tokens", "few"], "--min-tokens"),
        (["batch", str(table), "--by", "params", "--min-tokens", "auto"], "give a number"),
    ):
        done = CliRunner().invoke(app, command)
        assert done.exit_code != 0
        assert says in done.output
