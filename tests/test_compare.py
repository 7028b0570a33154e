"""Laws side by side: leave-one-out, the backtest's record, weights, and the average that they make."""

import functools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale.api import fit_part
from jaxscale.infer import programs
from jaxscale.model import Model
from jaxscale.runtime import float64
from jaxscale.trust import compare
from jaxscale.trust.compare import COMPARED, COUNTS, CUTS, WITHIN, weights
from tests.test_early import ladder

AT = {"N": [1e9, 7e10], "D": [1e11, 1.4e12]}


@pytest.fixture(scope="module")
def averaged(runs) -> js.Average:
    return js.average(runs, ["chinchilla", "kaplan_nd"])


def test_columns_and_the_true_law(averaged, runs):
    table = averaged.comparison
    assert table.index.name == "law"
    assert list(table.columns) == list(COMPARED)
    assert table["weight"].sum() == pytest.approx(1.0)
    assert table.loc["chinchilla", "elpd_loo"] > table.loc["kaplan_nd", "elpd_loo"] + 10
    assert table.loc["chinchilla", "weight"] > table.loc["kaplan_nd", "weight"]
    scores = js.backtest(runs, ["chinchilla"])
    assert table.loc["chinchilla", "log_rmse"] == scores.loc[0, "log_rmse"]
    assert table.loc["chinchilla", "coverage90"] == scores.loc[0, "coverage90"]


def test_the_average_lies_between_its_laws(averaged):
    both = averaged.predict(AT)
    parts = [part for part in averaged.parts if part.weight > 0]
    each = [part.fit.predict(AT) for part in parts]
    assert list(both.columns) == list(each[0].columns)
    low, high = (np.stack([t["mean"] for t in each]).__getattribute__(end)(axis=0) for end in ("min", "max"))
    assert ((both["mean"] >= low - 1e-3) & (both["mean"] <= high + 1e-3)).all()
    assert sum(part.weight for part in parts) == pytest.approx(1.0)
    expected = sum(part.weight * t["mean"].to_numpy() for part, t in zip(parts, each, strict=True))
    assert both["mean"].to_numpy() == pytest.approx(expected, rel=2e-3)
    assert (both["new_q05"] < both["q05"]).all()


def test_fits_to_runs_of_more_tokens_take_over_where_the_first_bend_the_law():
    """A warm-up that lifts the losses of short runs: the average leaves them, and errs and doubts less for it."""
    runs = ladder(0.5)
    cut, whole = (js.average(runs, ["chinchilla"], cuts=cuts) for cuts in (CUTS, ()))
    assert whole.cuts == {0.0: 1.0}
    assert cut.cuts.get(0.0, 0.0) < 0.05
    assert cut.comparison.loc["chinchilla", "weight_cut"] == pytest.approx(1.0 - cut.cuts.get(0.0, 0.0))
    late = max(cut.parts, key=lambda part: part.weight)
    assert runs["tokens"][runs["tokens"] < late.least].count() == len(late.fit.about["excluded"]) > 0
    truth = 1.82 + 482.0 / 2e10**0.348 + 2085.0 / 2e11**0.366
    less, more = (one.predict({"N": 2e10, "D": 2e11}).iloc[0] for one in (cut, whole))
    assert abs(less["q50"] - truth) < 0.5 * abs(more["q50"] - truth)
    assert less["q95"] - less["q05"] < 0.7 * (more["q95"] - more["q05"])
    assert less["q05"] < truth < less["q95"]


def test_on_a_clean_ladder_no_cut_is_much_better_than_none(averaged):
    assert len(averaged.parts) == 2 * (1 + len(CUTS))
    assert averaged.cuts[0.0] == max(averaged.cuts.values()) > 0.3
    assert len(averaged.cuts) > 1, "nor much worse: they forecast alike"


def test_a_part_is_fitted_in_the_programs_of_the_whole_to_the_same_answer(runs, monkeypatch):
    """The rows of padding that this takes change no more than the last digits of the mode."""
    monkeypatch.setattr(programs, "made", functools.cache(programs.Programs))  # whatever ran before in this process
    whole = js.fit(runs)
    model = Model(whole.law, whole.noise)
    apart = np.arange(len(runs)) >= 30  # by itself it would have a smaller bucket
    part = runs.exclude(apart, "kept for another table")
    settings = {"law": "chinchilla", "noise": None, "method": "auto", "seed": 0, "draws": 4000}
    before = programs.programs(model).compiled()
    with float64():
        padded = fit_part(part, len(runs), **settings, priors=None, progress=False)
    assert programs.programs(model).compiled() == before
    alone = js.fit(part)
    assert programs.programs(model).compiled() != before
    assert padded.point == pytest.approx(alone.point, rel=1e-6)
    assert padded.about["stages"] == alone.about["stages"]
    one, other = (f.predict(AT, discrepancy=False) for f in (padded, alone))
    assert (np.abs(one["q50"] - other["q50"]) < 0.1 * (one["q95"] - one["q05"])).all()


def test_rows_left_out_are_compared_where_all_fits_have_them(monkeypatch):
    """A fit to fewer rows is not better for being without the worst."""
    each = {"whole": {0: -90.0, 1: 1.0, 2: 2.0}, "cut": {1: 1.0, 2: 2.0}, "refused": {}}
    monkeypatch.setattr(compare, "_pointwise", lambda one: one.rows)
    fits = {name: SimpleNamespace(rows=rows, has_draws=bool(rows)) for name, rows in each.items()}
    assert compare._within(fits) == {"whole": 1.5, "cut": 1.5}
    assert compare._within({"refused": fits["refused"]}) == {}


def points_of(density: dict[str, list[list[float]]]) -> pd.DataFrame:
    """law -> fold -> log densities."""
    rows = [
        {"law": law, "fold": f, "row": 10 * f + i, "log_density": value}
        for law, folds in density.items()
        for f, fold in enumerate(folds)
        for i, value in enumerate(fold)
    ]
    return pd.DataFrame(rows, columns=["law", "fold", "row", "log_density"])


def test_weights_leave_even_ones_as_far_as_the_record_goes():
    same = {"a": 1.0, "b": 1.0}
    assert weights(points_of({"a": [[1.0, 2.0]], "b": [[1.0, 2.0]]}), same) == pytest.approx({"a": 0.5, "b": 0.5})
    one = weights(points_of({"a": [[1.0] * 3], "b": [[0.0] * 3]}), same)
    assert one["a"] / one["b"] == pytest.approx(np.exp(COUNTS[0]))
    many = weights(points_of({"a": [[1.0] * 99], "b": [[0.0] * 99]}), same)
    assert many == pytest.approx(one), "the runs of one fold are no folds"
    folds = weights(points_of({"a": [[1.0], [1.0], [1.0]], "b": [[0.0], [0.0], [0.0]]}), same)
    assert folds["a"] / folds["b"] == pytest.approx(np.exp(sum(COUNTS)))
    within = weights(points_of({}), {"a": 2.0, "b": 1.0})
    assert within["a"] / within["b"] == pytest.approx(np.exp(WITHIN))
    assert weights(points_of({"a": [[1.0]]}), {}) == {}


def test_a_law_is_not_rewarded_for_silence_nor_for_other_rows():
    same = {"a": 1.0, "b": 1.0}
    silent = weights(points_of({"a": [[1.0], [-50.0]], "b": [[0.0]]}), same)
    assert silent["a"] / silent["b"] == pytest.approx(np.exp(COUNTS[0]))
    points = points_of({"a": [[1.0, -9.0]], "b": [[0.0]]})
    assert weights(points, same)["a"] / weights(points, same)["b"] == pytest.approx(np.exp(COUNTS[0]))


def test_a_refused_law_has_no_weight(collinear):
    found = js.average(collinear, ["chinchilla", "kaplan_nd"])
    assert found.comparison["weight"].eq(0).all()
    assert found.comparison["elpd_loo"].isna().all()
    assert found.predict(AT).isna().all(axis=None)
    assert "no law passed" in repr(found)


def test_errors_say_which_laws(runs):
    with pytest.raises(js.ConfigError, match="different laws"):
        js.compare(runs, ["chinchilla", "chinchilla"])
    with pytest.raises(js.ConfigError, match="hit_rate"):
        js.compare(runs, ["chinchilla", "genrec_log_compute"])
