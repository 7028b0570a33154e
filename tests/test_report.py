"""Figures and the page: what they hold, what they must not hold, and that they are the same twice."""

import html as escaping
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from numpy.testing import assert_array_equal

import jaxscale as js
from jaxscale.held import runs_of
from jaxscale.report import html, plots
from jaxscale.report.content import frontier_of, seen
from jaxscale.report.style import COLOURS, DARK, human, log_ticks, svg, typeset

LAW = "chinchilla"
NASTY = '<script>alert("x")</script> & 5 %'
BUDGET = 3e21


def ladder(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size, ratio = (v.ravel() for v in np.meshgrid(np.geomspace(3e7, 3e9, 8), np.geomspace(2.0, 200.0, 5)))
    n = len(size)
    table = pd.DataFrame({"run_id": [f"r{i}" for i in range(n)], "params": size, "tokens": size * ratio})
    truth = js.get_law(LAW).published["besiroglu2024"]
    table["loss"] = np.asarray(js.get_law(LAW)(size, size * ratio, **truth)) * np.exp(0.004 * rng.standard_t(4, n))
    table.loc[5, "loss"] *= 1.2
    table.loc[5, "run_id"] = NASTY
    return table


@pytest.fixture(scope="module")
def fit():
    made = js.fit(js.read_runs(ladder(), exclude={"tokens > 1e15": "no such run"}), law=LAW)
    assert made.has_draws, str(made.status)
    return made


@pytest.fixture(scope="module")
def refused():
    return js.fit(ladder().assign(params=1e9), law=LAW)


@pytest.fixture(scope="module")
def point():
    return js.fit(ladder(), law=LAW, method="point")


@pytest.fixture(scope="module")
def pages(fit, refused, point, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    html.write(fit, folder / "fit.html", budget=BUDGET)
    html.write(refused, folder / "refused.html")
    html.write(point, folder / "point.html")
    return {p.stem: p.read_text() for p in folder.iterdir()}


def compute_of(fit: js.Fit) -> np.ndarray:
    sizes = seen(fit).sizes
    assert sizes is not None
    return sizes["C"]


class Page(HTMLParser):
    """Counts elements, checks nesting, and collects ids, links and text outside scripts and styles."""

    VOID = frozenset({"meta", "br", "link", "img", "path", "use", "rect"})

    def __init__(self, text: str):
        super().__init__()
        self.stack, self.tags, self.ids, self.links, self.words, self.json = [], [], [], [], [], ""
        self.feed(text)
        self.close()
        assert self.stack == [], "elements left open"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        values = dict(attrs)
        self.ids += [values["id"]] if "id" in values else []
        self.links += [v for k, v in attrs if k in ("href", "src", "xlink:href", "action", "data")]
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.stack.pop() == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1] == "script":
            self.json += data
        elif not self.stack or self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


# ---- figures ------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["fit", "refused", "point"])
@pytest.mark.parametrize(
    "draw", [plots.loss_against_compute, plots.curve, plots.optimal_size, plots.isoflop, plots.posterior_pairs]
)
def test_every_figure_of_every_kind_of_fit(draw, which, request):
    figure = draw(request.getfixturevalue(which))
    assert isinstance(figure, Figure)
    drawn = svg(figure, "a", "what it shows")
    assert drawn.startswith('<svg role="img" aria-label="what it shows"')
    bands = [c for axes in figure.axes for c in axes.collections if type(c).__name__ == "FillBetweenPolyCollection"]
    assert bool(bands) == (which == "fit"), "a band exactly where there is a posterior"


def test_the_band_and_the_target_are_those_of_the_plan(fit):
    axes = plots.loss_against_compute(fit, BUDGET).axes[0]
    expected = js.plan(fit, BUDGET).summary().loc["loss"]
    lines = [np.asarray(line.get_xydata()) for line in axes.lines]
    vertical = next(line for line in lines if len(line) == 2 and np.allclose(line[:, 0], BUDGET))
    np.testing.assert_allclose(vertical[:, 1], [expected["q05"], expected["q95"]], rtol=1e-9)
    low, high = axes.get_xlim()
    assert low < compute_of(fit).min()
    assert high > BUDGET


def test_outliers_are_marked_and_only_where_there_is_a_law(fit, refused):
    found = seen(fit)
    assert found.odd[5]
    assert found.odd.sum() < 6
    assert not seen(refused).odd.any()


def test_on_a_budget_tokens_per_parameter_fall_as_size_grows(fit):
    row = frontier_of(fit, [BUDGET]).iloc[0]
    expected = js.plan(fit, BUDGET).summary().loc["tokens_per_param"]
    np.testing.assert_allclose([row["M_q05"], row["M_q50"], row["M_q95"]], expected.to_numpy(), rtol=1e-3)


def test_a_law_of_something_else_has_a_curve_and_no_size(tmp_path):
    m = np.geomspace(1e4, 1e8, 33)
    runs = js.simulate("hestness", {"alpha": 20.0, "beta_g": -0.3, "gamma": 0.4}, {"m": m}, sd=0.005)
    fit = js.fit(runs, law="hestness", method="point")
    figure = plots.loss_against_compute(fit)
    assert "training examples" in figure.axes[0].get_xlabel()
    with pytest.raises(ValueError, match="no best size"):
        plots.optimal_size(fit)
    html.write(fit, tmp_path / "page.html", budget=1e20)
    page = Page((tmp_path / "page.html").read_text())
    assert "has no meaning for it" in page.text
    assert page.tags.count("svg") == 1


def test_fan_shows_every_run_once_and_says_the_coverage():
    points = pd.DataFrame(
        {"fold": [0, 0, 0, 1, 1], "order": [3e20, 1e20, 2e20, 5e19, 6e19], "observed": [1.0, 2.0, 30.0, 2.0, 2.1],
         "q05": [0.9, 1.9, 1.9, 1.9, 2.2], "q50": [1.0, 2.0, 2.0, 2.0, 2.3], "q95": [1.1, 2.1, 2.1, 2.1, 2.4],
         "inside": [True, True, False, True, False]}
    )  # fmt: skip
    figure = plots.backtest_fan(points)
    assert "60 %" in figure.get_suptitle()
    shown = sum(
        len(np.asarray(line.get_xdata()))
        for axes in figure.axes
        for line in axes.lines
        if str(line.get_marker()) in "o^v"
    )
    assert shown == len(points)
    assert "No fold" in plots.backtest_fan(points.iloc[:0]).texts[0].get_text()


def test_comparison_shows_intervals_where_known():
    rows = [
        {"label": "least squares", "q50": 217e9, "remark": "5 runs decide"},
        {"label": "posterior", "q05": 61e9, "q50": 74e9, "q95": 90e9},
    ]
    texts = [t.get_text() for t in plots.comparison(rows).axes[0].texts]
    assert "217B" in texts
    assert "74.0B [61.0B, 90.0B]" in texts


# ---- numbers and ticks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [("-4.17", "\u22124.17"), ("1.13e-7", "1.13e\u22127"), ("-", "\u2013"), ("12345.678", "12\u2009345.678"),
     ("2160", "2160"), ("0.123456", "0.123456"), ("73.2B", "73.2B"), ("[61.0B, 90.0B]", "[61.0B, 90.0B]")],
)  # fmt: skip
def test_numbers_are_set_in_type(text, shown):
    assert typeset(text) == shown


@pytest.mark.parametrize(
    ("low", "high"), [(1.9, 5.2), (2.02, 2.11), (5e7, 2e10), (1e18, 1e24), (1e3, 3e3), (1e-3, 1e12)]
)
def test_ticks_are_inside_and_neither_few_nor_many(low, high):
    ticks = log_ticks(low, high)
    assert 2 <= len(ticks) <= 9
    assert ticks.min() >= low
    assert ticks.max() <= high


# ---- the page -----------------------------------------------------------------------------------


def test_page_parses_and_loads_nothing(pages):
    for text in pages.values():
        page = Page(text)
        assert len(page.ids) == len(set(page.ids)), "ids collide"
        assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
        assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", text.split("<script")[0])
        assert page.tags.count("script") == 1


def test_page_of_a_fit_holds_status_answer_figures_and_evidence(pages, fit):
    page = Page(pages["fit"])
    assert page.tags.count("svg") == page.tags.count("figure") == 6
    assert fit.status.sentence.replace("  ", " ") in page.text
    assert page.text.index(fit.status.sentence) < page.text.index("Parameters")
    size = js.plan(fit, BUDGET).summary().loc["N"]
    sd = (size["q95"] - size["q05"]) / 3.29
    assert f"90 %: {human(size['q05'], sd)} to {human(size['q95'], sd)}" in page.text
    for said in ("The choice is flat", "inside their 90 % interval", "For publication", "Student-t", "No row matches"):
        assert said in page.text


def test_refused_fit_has_its_fix_and_its_runs_and_no_interval(pages, refused):
    page = Page(pages["refused"])
    assert refused.status.sentence in page.text
    assert refused.status.fix in page.text
    assert page.tags.count("svg") == 1
    assert not re.search(r"90 %|\[\d", page.text)
    report = json.loads(page.json)
    assert report["plan"] is None
    assert {v for row in report["summary"].values() for v in row.values()} == {None}


def test_point_fit_has_values_and_no_interval(pages, point):
    page = Page(pages["point"])
    assert page.tags.count("svg") == 4
    assert not re.search(r"90 %:|\[\d", page.text)
    assert "a point fit has no interval" in page.text
    assert human(js.plan(point, compute_of(point).max() * 10).recommended["N"]) in page.text
    assert json.loads(page.json)["point"] == dict(point.point)


@pytest.mark.parametrize("which", ["fit", "refused", "point"])
def test_numbers_in_the_page_are_those_of_the_fit(pages, which, request):
    report, expected = json.loads(Page(pages[which]).json), request.getfixturevalue(which).summary()
    back = pd.DataFrame.from_dict(report["summary"], orient="index", columns=list(expected), dtype=float)
    assert list(back.index) == list(expected.index)
    assert_array_equal(back.to_numpy(), expected.to_numpy())


def test_what_users_wrote_is_escaped(pages):
    assert "<script>alert" not in pages["fit"]
    assert escaping.escape(NASTY.split(" & ")[0], quote=True).split("(")[0] in pages["fit"]
    named = [f["message"] for f in json.loads(Page(pages["fit"]).json)["findings"] if f["code"] == "outliers"]
    assert NASTY in named[0]


def test_twice_the_same_bytes_and_from_a_saved_fit_too(pages, fit, tmp_path):
    fit.save(tmp_path / "fit.nc")
    html.write(js.load(tmp_path / "fit.nc"), tmp_path / "again.html", budget=BUDGET)
    assert (tmp_path / "again.html").read_text() == pages["fit"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["again.html", "fit.nc"]


def test_every_colour_has_its_dark_twin(pages):
    assert set(COLOURS) == set(DARK)
    figures = "".join(re.findall(r"<svg.*?</svg>", pages["fit"], flags=re.DOTALL))
    bare = set(re.findall(r"(?<!, )#[0-9a-f]{6}\b", figures))
    assert bare <= {"#000000", "#ffffff"}, "a colour that dark mode cannot change"


def test_rebuilt_runs_are_the_runs(fit):
    runs = runs_of(fit)
    assert [runs.label(i) for i in range(len(runs))] == [f"run {name}" for name in ladder()["run_id"]]
    assert_array_equal(runs.table["loss"].to_numpy(), ladder()["loss"].to_numpy())


def test_a_budget_must_be_positive(fit, tmp_path):
    with pytest.raises(js.PlanError, match="positive"):
        html.write(fit, tmp_path / "no.html", budget=-1.0)
    assert list(tmp_path.iterdir()) == []
