"""Laws in a row: the error of every stage reaches the last."""

import numpy as np
import pytest

import jaxscale as js
from jaxscale.chained import chain

LINK = {"a": -0.6, "k": 4.0, "L0": 2.3, "b": 0.85}
FAR = {"N": [7e10, 2e11], "D": 2e12}


@pytest.fixture(scope="module")
def link() -> js.Fit:
    """Scores of runs, a sigmoid of the losses they were seen to have, from end to end of it."""
    table = js.simulate("task_two_step_sigmoid", LINK, {"L": np.linspace(1.7, 3.5, 60)}, sd=0.005, seed=1)
    return js.fit(table, "task_two_step_sigmoid", progress=False)


def test_both_errors_arrive(fit: js.Fit, link: js.Fit, truth):
    assert fit.status.ok
    assert link.status.ok
    got = chain(fit, link).predict(FAR)
    loss = js.get_law("chinchilla")(np.array(FAR["N"]), FAR["D"], **truth)
    score = js.get_law("task_two_step_sigmoid")(loss, **LINK)
    assert np.all((got["q05"] < score) & (score < got["q95"]))
    alone = link.predict({"L": fit.predict(FAR)["mean"].to_numpy()})
    assert np.all(got["q95"] - got["q05"] > 1.02 * (alone["q95"] - alone["q05"]))
    assert got["mean"].to_numpy() == pytest.approx(alone["mean"].to_numpy(), abs=0.01)
    assert np.all((got["new_q05"] < got["q05"]) & (got["new_q95"] > got["q95"]))


def test_one_stage_is_the_fit_itself_which_believes_its_law(fit: js.Fit):
    got, own = chain(fit).predict(FAR), fit.predict(FAR, discrepancy=False)
    for name in ("mean", "sd", "q05", "q50", "q95"):
        assert got[name].to_numpy() == pytest.approx(own[name].to_numpy(), rel=1e-9)


def test_points_give_a_point(runs: js.Runs, link: js.Fit):
    point = js.fit(runs, method="point", progress=False)
    got = chain(point, link).predict({"N": 7e10, "D": 2e12})
    assert np.isfinite(got["mean"]).all()
    assert got[["sd", "q05", "q95", "new_q05"]].isna().all(axis=None)


def test_a_refused_stage_gives_nothing(collinear: js.Runs, link: js.Fit):
    refused = js.fit(collinear, progress=False)
    assert not refused.status.ok
    assert chain(refused, link).predict(FAR).isna().all(axis=None)


def test_what_cannot_be_chained(fit: js.Fit, link: js.Fit):
    with pytest.raises(js.ConfigError, match="not the score that task_two_step_sigmoid predicts"):
        chain(link, fit)
    with pytest.raises(js.ConfigError, match="got none"):
        chain()
    with pytest.raises(js.DataError, match="tokens"):
        chain(fit, link).predict({"N": 1e10})
