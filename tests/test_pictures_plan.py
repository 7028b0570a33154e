"""Pictures of planning: that they show the numbers of the plan, of its law and of the suggestion."""

import itertools

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from typer.testing import CliRunner

import jaxscale as js
from jaxscale.cli import app
from jaxscale.decide.serving import front
from jaxscale.report import plots
from jaxscale.report.content import seen
from jaxscale.report.style import LAW, SLICES, TARGET, save, svg

BUDGET = 1e23
SERVED = 2e12
BUDGETS = [1e20, 1e21, 1e22]
QUANTILES = [0.05, 0.5, 0.95]


def losses(p, n, d):
    """(draws, points) of Chinchilla's law."""
    p = {k: np.asarray(v)[:, None] for k, v in p.items()}
    return p["E"] + p["A"] / n ** p["alpha"] + p["B"] / d ** p["beta"]


def curves(axes, colour):
    """Lines of more than a few points in a colour."""
    return [
        np.asarray(line.get_xydata()) for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) > 9
    ]


def marks(axes, marker, colour=None):
    """(points, 2) of what is drawn with a marker."""
    found = [line for line in axes.lines if line.get_marker() == marker and colour in (None, line.get_color())]
    return np.concatenate([np.asarray(line.get_xydata()) for line in found] or [np.zeros((0, 2))])


def bands(axes):
    """Corners of each band, without what closes it."""
    kind = "FillBetweenPolyCollection"
    return [c.get_paths()[0].vertices for c in axes.collections if type(c).__name__ == kind]


def ends_of(band, x):
    """Least and most of a band where it has a corner at x."""
    heights = band[np.isclose(band[:, 0], x, rtol=1e-12), 1]
    return heights.min(), heights.max()


def texts(figure):
    return " | ".join(t.get_text() for axes in figure.axes for t in axes.texts)


@pytest.fixture(scope="module")
def planned(fit):
    return js.plan(fit, BUDGET)


@pytest.fixture(scope="module")
def serving(fit):
    return js.plan(fit, BUDGET, serve_tokens=SERVED)


@pytest.fixture(scope="module")
def bought(fit):
    grid = itertools.product(np.geomspace(1e8, 1e10, 8), np.geomspace(2e9, 3e11, 8))
    offered = pd.DataFrame(grid, columns=["N", "D"])
    return js.suggest(fit, offered, target={"N": 7e10, "D": 1.4e12}, spend=2e21, runs=4, discrepancy=False)


@pytest.fixture(scope="module")
def refused(collinear):
    made = js.fit(collinear)
    assert not made.status.ok
    return made


# ---- the valley ---------------------------------------------------------------------------------


def test_valley_is_least_at_the_recommended_size(planned):
    axes = plots.valley(planned).axes[0]
    (line,) = curves(axes, LAW)
    assert len(line) == len(planned.profile)
    step = np.log(line[1, 0] / line[0, 0])
    best = planned.recommended["N"]
    assert abs(np.log(line[line[:, 1].argmin(), 0] / best)) < 1.5 * step  # at it or beside it: a median, not a mean
    ((x, y),) = marks(axes, "D", TARGET)
    assert x == best
    assert y == pytest.approx(line[:, 1].min(), abs=1e-5)


def test_valley_is_the_regret_of_each_draw(fit, planned):
    axes = plots.valley(planned).axes[0]
    (line,), (band,) = curves(axes, LAW), bands(axes)
    n = line[::60, 0]
    regret = losses(fit.draws(), n, BUDGET / (6 * n)) - planned.judge.best[:, None]
    low, middle, high = np.quantile(regret, QUANTILES, axis=0)
    np.testing.assert_allclose(line[::60, 1], middle, atol=1e-9)
    np.testing.assert_allclose([ends_of(band, x) for x in n], np.stack([low, high], axis=1), atol=1e-9)


def test_valley_shades_the_flat_sizes_and_shows_the_posterior(planned):
    figure = plots.valley(planned)
    axes, strip = figure.axes
    box = axes.patches[0].get_extents().transformed(axes.transData.inverted())
    flat, row = planned.valley(), planned.summary().loc["N"]
    np.testing.assert_allclose([box.x0, box.x1], [flat["N_low"], flat["N_high"]], rtol=1e-9)
    interval = next(line for line in strip.lines if not np.any(line.get_ydata()))
    np.testing.assert_allclose(interval.get_xdata(), [row["q05"], row["q95"]], rtol=1e-9)
    assert any(np.allclose(line.get_xdata(), row["q50"]) for line in strip.lines)
    assert axes.get_xlim() == strip.get_xlim()
    assert "nats/token" in axes.get_ylabel()


@pytest.mark.parametrize(
    ("limits", "walls"),
    [
        ({"limits": {"N": (1e9, 1.2e10)}}, (1e9, 1.2e10)),
        ({"ratio": (20, None)}, (0.0, np.sqrt(BUDGET / 120))),
        ({"limits": {"D": (1e12, None)}}, (0.0, BUDGET / 6e12)),
        ({"unique_tokens": 1e12}, (0.0, np.inf)),  # a smaller model may leave part of the budget
        ({"limits": {"N": (7e9, 7e9)}}, (7e9, 7e9)),
        ({}, (0.0, np.inf)),
    ],
)
def test_limits_are_walls(fit, limits, walls):
    made = js.plan(fit, BUDGET, **limits)
    np.testing.assert_allclose(made.walls, walls, rtol=1e-6)


def test_a_wall_is_drawn_where_the_limit_is(fit):
    made = js.plan(fit, BUDGET, limits={"N": 1.2e10})
    figure = plots.valley(made)
    for panel in figure.axes:
        assert any(np.allclose(line.get_xdata(), 1.2e10, rtol=1e-6) for line in panel.lines)
        assert any(patch.get_hatch() for patch in panel.patches)
    assert "limit 12B" in texts(figure)
    assert "best in 100 % of draws: 12B" in texts(figure)


def test_few_sizes_are_drawn_one_by_one(fit):
    sizes = [3e9, 1e10, 3e10]
    axes = plots.valley(js.plan(fit, BUDGET, shapes=sizes)).axes[0]
    assert not bands(axes)
    np.testing.assert_allclose(marks(axes, "o")[:, 0], sizes)


def test_published_coefficients_have_a_valley_without_a_band():
    axes = plots.valley(js.plan("chinchilla", BUDGET, preset="besiroglu2024")).axes[0]
    assert curves(axes, LAW)
    assert not bands(axes)


def test_a_plan_that_weighs_nothing_has_no_valley(fit):
    with pytest.raises(js.PlanError, match="no valley"):
        plots.valley(js.plan(fit, BUDGET, at={"N": 7e9}))


# ---- slices ---------------------------------------------------------------------------------------


def test_slices_are_the_law_along_each_budget(fit):
    axes = plots.isoflop(fit, BUDGETS).axes[0]
    colours = [SLICES[0], SLICES[2], SLICES[5]]
    assert len(bands(axes)) == len(BUDGETS)
    for budget, colour, band in zip(BUDGETS, colours, bands(axes), strict=True):
        (line,) = curves(axes, colour)
        n = line[::40, 0]
        told = fit.with_error({"N": n, "D": budget / (6 * n)}, losses(fit.draws(), n, budget / (6 * n)))
        low, middle, high = np.quantile(told, QUANTILES, axis=0)
        np.testing.assert_allclose(line[::40, 1], middle, rtol=1e-9)
        np.testing.assert_allclose([ends_of(band, x) for x in n], np.stack([low, high], axis=1), rtol=1e-9)
        summary = js.plan(fit, budget).summary()
        np.testing.assert_allclose(marks(axes, "D", colour), [summary.loc[["N", "loss"], "q50"]], rtol=1e-9)
        bars = [line.get_xdata() for line in axes.lines if line.get_color() == colour and len(line.get_xdata()) == 2]
        assert any(np.allclose(bar, summary.loc["N", ["q05", "q95"]].to_numpy(float)) for bar in bars)


def test_slices_have_the_runs_near_them(fit):
    runs = seen(fit)
    assert runs.sizes is not None
    compute = runs.sizes["C"]
    budgets = [float(v) for v in np.quantile(compute, [0.3, 0.6], method="nearest")]
    axes = plots.isoflop(fit, budgets).axes[0]
    for budget, colour in zip(budgets, (SLICES[0], SLICES[-1]), strict=True):
        near = (compute < 1.25 * budget) & (compute > budget / 1.25)
        assert near.any()
        found = np.concatenate([marks(axes, "o", colour), marks(axes, "x", colour)])
        assert sorted(found[:, 0]) == sorted(runs.sizes["N"][near])
        assert sorted(found[:, 1]) == sorted(runs.y[near])


def test_slices_span_the_runs_and_reach_the_target(fit):
    compute = seen(fit).sizes["C"]
    figure = plots.isoflop(fit, budget=BUDGET)
    said = texts(figure)
    assert said.count("FLOP:") == 5
    assert "1e23 FLOP" in said
    budgets = sorted(float(part.split(" FLOP")[0]) for part in said.split(" | ") if "FLOP:" in part)
    assert compute.min() <= budgets[0] < np.quantile(compute, 0.2)
    assert np.quantile(compute, 0.8) < budgets[-2] <= 1.25 * compute.max()


def test_slices_of_a_refused_fit_are_its_runs(refused):
    axes = plots.isoflop(refused).axes[0]
    assert not bands(axes)
    assert not [line for line in axes.lines if line.get_linestyle() != "None"]
    assert len(marks(axes, "o"))
    assert not axes.texts


def test_slices_below_the_runs_are_refused(fit):
    with pytest.raises(js.PlanError, match="below the smallest run"):
        plots.isoflop(fit, [1e10, 1e21])


# ---- the front of serving ---------------------------------------------------------------------------


def test_front_at_the_plans_tokens_is_the_plan(fit, serving):
    """The size that is cheapest for a loss is the one with the least loss for what that costs."""
    found = front(fit, serving, serve_tokens=SERVED)
    row = found.best.set_index("served").loc[SERVED]
    step = max(1, len(serving.draws["N"]) // 400)
    for symbol in ("N", "D"):
        mine = np.quantile(serving.draws[symbol][::step], QUANTILES)
        theirs = row[[f"{symbol}_{q}" for q in ("q05", "q50", "q95")]].to_numpy(float)
        np.testing.assert_allclose(theirs, mine, rtol=1e-3)
    np.testing.assert_allclose(row["train_q50"] + SERVED * row["serve_q50"], BUDGET, rtol=0.01)


def test_front_keeps_the_loss_and_is_cheapest_without_serving(fit, planned):
    found = front(fit, planned)
    power = 10.0 ** np.round(np.log10(np.median(planned.draws["D"])))
    np.testing.assert_allclose(found.best["served"], [0.0, power, 10 * power, 100 * power])
    none = found.best.iloc[0]
    np.testing.assert_allclose(none[["train_q05", "train_q50", "train_q95"]].to_numpy(float), BUDGET, rtol=1e-6)
    assert found.best["N_q50"].is_monotonic_decreasing
    assert found.best["train_q50"].is_monotonic_increasing
    step = max(1, len(planned.draws["N"]) // 400)
    p = {k: v[::step] for k, v in fit.draws().items()}
    n, column = found.curve["N"].to_numpy(), lambda v: np.asarray(v)[:, None]
    left = column(found.loss) - column(p["E"]) - column(p["A"]) / n ** column(p["alpha"])
    with np.errstate(invalid="ignore"):
        train = np.where(left > 0, 6 * n * (column(p["B"]) / left) ** (1 / column(p["beta"])), np.inf)
    middle = np.quantile(train, 0.5, axis=0, method="lower")
    np.testing.assert_allclose(found.curve["train_q50"], middle, rtol=1e-6)
    np.testing.assert_array_equal(found.curve["serve"], 2 * n)


def test_front_is_drawn_with_its_marks(fit, serving):
    figure = plots.planned(serving, fit, SERVED)
    axes = figure.axes[-1]
    found = front(fit, serving, serve_tokens=SERVED)
    np.testing.assert_allclose(marks(axes, "D"), found.best[["serve_q50", "train_q50"]])
    for said in ("2T tokens served", "200B tokens served", "training alone"):
        assert said in texts(figure)
    solid = curves(axes, LAW)[0]
    assert solid[:, 0].max() <= found.best["serve_q50"].iloc[0]
    assert len(plots.planned(serving, fit).axes) == len(figure.axes) - 1


def test_front_of_a_limited_plan_marks_it(fit):
    made = js.plan(fit, BUDGET, serve_tokens=SERVED, limits={"N": 6e9})
    figure = plots.planned(made, fit, SERVED)
    assert "this plan: 6B" in texts(figure)
    assert any(np.allclose(line.get_xdata(), 1.2e10, rtol=1e-6) for line in figure.axes[-1].lines)


def test_fronts_that_cannot_be_drawn_say_why(fit, refused, planned):
    with pytest.raises(js.PlanError, match="zero or more"):
        plots.serving(fit, BUDGET, served=[-1.0])
    with pytest.raises(js.PlanError, match="nothing to plan"):
        plots.serving(refused, BUDGET)
    with pytest.raises(js.PlanError, match="law of models and tokens"):
        front("vocab", planned, preset=next(iter(js.get_law("vocab").published)))
    with pytest.raises(js.PlanError, match="not made from this fit"):
        front("chinchilla", planned, preset="besiroglu2024")


# ---- purchases -----------------------------------------------------------------------------------


def test_purchases_fall_from_now_with_what_they_cost(bought):
    figure = plots.purchases(bought)
    axes = figure.axes[0]
    line = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    np.testing.assert_allclose(line.get_xdata(), [0.0, *bought.cost.cumsum()])
    np.testing.assert_allclose(line.get_ydata(), [bought.attrs["sd_now"], *bought.expected_sd_after])
    assert line.get_xdata()[-1] == pytest.approx(bought.attrs["spent"])
    assert len(marks(axes, "o")) == len(bought) + 1
    first = bought.iloc[0]
    assert f"N = {plots.human(first.N)}, D = {plots.human(first.D)}" in texts(figure)
    assert "FLOP" in axes.get_xlabel()
    assert "nats/token" in axes.get_ylabel()


def test_purchases_for_a_decision_are_of_its_regret(bought):
    risky = bought.assign(expected_regret_after=bought.expected_sd_after / 10.0)
    risky.attrs = bought.attrs | {"regret_now": bought.attrs["sd_now"] / 10.0, "unit_of_cost": ""}
    axes = plots.purchases(risky).axes[0]
    line = next(line for line in axes.lines if line.get_drawstyle() == "steps-post")
    np.testing.assert_allclose(line.get_ydata(), [risky.attrs["regret_now"], *risky.expected_regret_after])
    assert "regret" in axes.get_ylabel()
    assert "FLOP" not in axes.get_xlabel()


def test_purchases_of_nothing_and_of_another_table(bought):
    nothing = bought.iloc[:0]
    assert "No run" in plots.purchases(nothing).texts[0].get_text()
    with pytest.raises(js.PlanError, match=r"js\.suggest"):
        plots.purchases(pd.DataFrame({"cost": [1.0], "expected_sd_after": [0.1]}))


# ---- files ----------------------------------------------------------------------------------------


def test_dark_pages_can_change_every_colour_of_a_slice(fit):
    drawn = svg(plots.isoflop(fit, BUDGETS), "a", "slices")
    assert all(f"var(--slice{i}," in drawn for i in (0, 2, 5))
    assert {to_hex(c) for c in SLICES} == set(SLICES)


@pytest.mark.parametrize(("ending", "begins"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_a_picture_is_written_whole_and_the_same_twice(planned, tmp_path, ending, begins):
    for name in ("one", "two"):
        save(plots.valley(planned), tmp_path / f"{name}.{ending}")
    one, two = ((tmp_path / f"{name}.{ending}").read_bytes() for name in ("one", "two"))
    assert one.startswith(begins)
    assert one == two
    assert len(list(tmp_path.iterdir())) == 2


def test_the_command_line_draws(fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    call = lambda *args: CliRunner().invoke(app, [str(a) for a in args])  # noqa: E731
    plan = ("plan", tmp_path / "fit.nc", "--budget", BUDGET)
    alone = call(*plan, "--plot", tmp_path / "a.svg")
    assert alone.exit_code == 0, alone.output
    assert alone.stdout == call(*plan).stdout
    served = call(*plan, "--serve-tokens", "2T", "--plot", tmp_path / "b.svg")
    assert served.exit_code == 0, served.output
    tall = [(tmp_path / f"{name}.svg").read_text().split('height="')[1].split("pt")[0] for name in "ab"]
    assert float(tall[1]) > 1.5 * float(tall[0])
    buy = ("suggest", tmp_path / "fit.nc", "--target", "N=7e10", "--target", "D=1.4e12", "--spend", "2e21", "--runs", 2)
    assert call(*buy, "--plot", tmp_path / "c.png").exit_code == 0
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
    before = sorted(tmp_path.iterdir())
    for command in (plan, buy):
        wrong = call(*command, "--plot", tmp_path / "d.jpeg")
        assert wrong.exit_code == 2
        assert "--plot" in wrong.stderr
        assert ".svg" in wrong.stderr
    told = call(*plan, "--at", "N=7B", "--plot", tmp_path / "e.svg")  # the answer is not lost for want of a picture
    assert (told.exit_code, "No picture" in told.stdout) == (0, True)
    assert sorted(tmp_path.iterdir()) == before
