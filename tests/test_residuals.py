"""Strange rows are named, patterns in residuals are said, and the noise is chosen by evidence."""

import numpy as np
import pandas as pd
import pytest

import jaxscale as js
from jaxscale.choose import candidates, choose
from jaxscale.residuals import patterns, residuals

TRUTH = {"E": 1.82, "A": 482.0, "alpha": 0.348, "B": 2085.0, "beta": 0.366}


def curve(size, tokens):
    return TRUTH["E"] + TRUTH["A"] / size ** TRUTH["alpha"] + TRUTH["B"] / tokens ** TRUTH["beta"]


def ladder(error, seed=0, n=48, **more):
    """Runs with a given relative error, a function of (generator, log size, log tokens)."""
    rng = np.random.default_rng(seed)
    size, tokens = 10 ** rng.uniform(7.6, 9.7, n), 10 ** rng.uniform(9.0, 11.3, n)
    loss = curve(size, tokens) * np.exp(error(rng, np.log(size), np.log(tokens)))
    return js.read_runs(pd.DataFrame({"params": size, "tokens": tokens, "loss": loss, **more}))


LATE = np.random.default_rng(1).random(48) < 0.25


def lagging(rng, *_):
    return rng.normal(0, 0.01, 48) + LATE * (0.04 + rng.exponential(0.08, 48))


@pytest.fixture(scope="module")
def frontier():
    return js.fit(ladder(lagging), noise="frontier", progress=False)


def test_frontier_finds_the_under_tuned_runs(frontier):
    assert frontier.status.ok
    table = frontier.residuals()
    assert list(table) == ["label", "row", "observed", "fitted", "residual", "suspicion"]
    assert table["suspicion"][LATE].min() > 0.5 > table["suspicion"][~LATE].max()
    said = [note for note in frontier.about["notes"] if "under-tuned" in note]
    assert len(said) == 1
    assert said[0].startswith(f"{LATE.sum()} of 48 runs are probably under-tuned: row ")
    at = {"N": 5e10, "D": 2e12}
    # what a well-tuned run reaches: the law's own value lies within, and the frontier is not the middle of all runs
    drawn = frontier.predict(at)
    assert drawn["q05"][0] < curve(5e10, 2e12) < drawn["q95"][0]
    assert drawn["new_q95"][0] - drawn["q50"][0] > 2 * (drawn["q50"][0] - drawn["new_q05"][0])


def test_saved_fits_keep_their_noise(frontier, tmp_path):
    frontier.save(tmp_path / "fit.nc")
    again = js.load(tmp_path / "fit.nc")
    assert again.noise == frontier.noise
    pd.testing.assert_frame_equal(again.residuals(), frontier.residuals())


def test_checkpoints_count_as_their_runs():
    rng = np.random.default_rng(3)
    run = np.repeat(np.arange(8), 6)
    size, tokens = (10 ** rng.uniform(7.6, 9.7, 8))[run], np.tile(np.geomspace(1e9, 1e11, 6), 8)
    luck = rng.normal(0, 0.01, 8)
    error = luck[run] + rng.normal(0, 0.002, 48)
    frame = pd.DataFrame({"params": size, "tokens": tokens, "loss": curve(size, tokens) * np.exp(error), "run": run})
    fit = js.fit(js.read_runs(frame), noise="checkpoints", progress=False)
    assert fit.status.ok
    said = next(note for note in fit.about["notes"] if "fix the level" in note)
    assert "48 rows are checkpoints of 8 runs" in said
    assert 7.0 < float(said.split(" independent")[0].split()[-1]) < 14.0
    scatter = fit.summary().loc["run_sd"]
    assert scatter["q05"] < luck.std(ddof=1) < scatter["q95"]


def fitted(runs):
    return js.fit(runs, method="point", progress=False)


def test_patterns_are_said_and_nothing_is_said_of_luck():
    even = fitted(ladder(lambda rng, n, d: rng.normal(0, 0.01, 48)))
    assert patterns(even, residuals(even)) == []
    wide = fitted(ladder(lambda rng, n, d: rng.normal(0, 1, 48) * 0.002 * np.exp(0.9 * (n - n.min())) / 5))
    assert any("spread more at the large end along N" in s for s in patterns(wide, residuals(wide)))
    drift = fitted(ladder(lambda rng, n, d: 0.01 * np.sin(np.arange(48) / 5) + rng.normal(0, 0.002, 48)))
    assert any("neighbouring rows are alike" in s for s in patterns(drift, residuals(drift)))
    bent = fitted(ladder(lambda rng, n, d: 0.05 * (d - d.mean()) ** 2 + rng.normal(0, 0.002, 48)))
    assert any("bend" in s or "rise" in s or "fall" in s for s in patterns(bent, residuals(bent)))


def likelihoods(**gains):
    """Fits whose rows are better by so much than the usual noise's, with equal draws."""
    rng = np.random.default_rng(0)
    usual = rng.normal(2.0, 0.5, 48)

    def fit_with(name):
        gain = gains.get(name, 0.0)
        if gain is None:
            return None
        rows = usual + gain / 48 * (1 + 0.3 * rng.standard_normal(48))
        return np.broadcast_to(rows, (4, 250, 48)) + 0.01 * rng.standard_normal((4, 250, 48))

    return fit_with


def test_noise_is_chosen_by_evidence():
    runs, law = ladder(lagging), js.get_law("chinchilla")
    best, said = choose(runs, law, likelihoods(frontier=20.0, normal=-30.0, heteroscedastic=None))
    assert best == "frontier"
    assert "some runs are under-tuned" in said[0]
    assert "frontier +" in said[0]
    assert said[-1] == "Not compared, since not converged: heteroscedastic."
    assert choose(runs, law, likelihoods(normal=2.0))[0] == "student_t"  # too little to tell
    assert choose(runs, law, lambda _: None)[0] == "student_t"


def test_what_rows_are_decides_before_evidence():
    law, rng = js.get_law("chinchilla"), np.random.default_rng(0)
    frame = pd.DataFrame({"params": np.repeat([1e8, 4e8, 1e9], 16), "tokens": np.tile(np.geomspace(1e9, 1e11, 16), 3)})
    frame = frame.assign(loss=curve(frame["params"], frame["tokens"]) * np.exp(rng.normal(0, 0.01, 48)))
    runs = js.read_runs(frame.assign(run=np.repeat(["a", "b", "c"], 16)))
    assert candidates(runs, law)[0] == ["checkpoints"]
    assert choose(runs, law, lambda _: pytest.fail("nothing to compare"))[0] == "checkpoints"
    assert candidates(js.read_runs(frame.assign(annealed=0)), law)[0][0] == "student_t"
    assert "known_sd" in candidates(js.read_runs(frame.assign(loss_sd=0.01)), law)[0]
    with pytest.raises(js.ConfigError, match="has none of"):
        js.fit(runs, noise="auto", method="point", progress=False)
    with pytest.raises(js.ConfigError, match="one noise for all tables"):
        js.fit_many({"a": runs}, noise="auto", progress=False)


@pytest.mark.slow
def test_auto_names_the_frontier():
    fit = js.fit(ladder(lagging), noise="auto", progress=False)
    assert fit.noise.name == "frontier"
    assert any(note.startswith("Noise 'frontier' chosen by leave-one-out") for note in fit.about["notes"])
