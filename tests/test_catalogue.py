"""The laws as people find them: pages, cards, citations, filters, and the list from papers to what serves them."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from jaxscale.cli import app
from jaxscale.law import Ours, get_law, list_laws
from jaxscale.terminal import papers

ROOT = Path(__file__).resolve().parents[1]
DOCS, OURS = ROOT / "docs", ROOT / "jaxscale" / "laws"
LAWS = {law.name: law for law in list_laws() if OURS in Path(law.file).parents}
SOME = sorted(LAWS)[::12]  # whose examples and pictures are made here; `make test-slow` takes all


@pytest.fixture(scope="module")
def docs():
    """The modules that write the documentation's pages."""
    names = ["make_laws", "law_examples", "law_pictures"]
    sys.path.insert(0, str(DOCS))
    try:
        yield SimpleNamespace(**{name: importlib.import_module(name) for name in names})
    finally:
        sys.path.remove(str(DOCS))


def call(*args: str, code: int = 0) -> str:
    done = CliRunner().invoke(app, list(args))
    assert done.exit_code == code, done.output
    return done.stdout


def names(*args: str) -> set[str]:
    return {law["name"] for law in json.loads(call("laws", *args, "--json"))["laws"]}


# ---- pages ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAWS)
def test_every_law_has_a_page(docs, name):
    law = LAWS[name]
    text = docs.make_laws.page(law)
    assert f"```text\n{law.formula}\n```" in text
    assert all(f"| `{p}` | " in text for p in law.params)
    assert all(f"| `{s}` | " in text for s in law.inputs)
    assert all(f"| `{p}` | " in text for p in law.published)
    assert all(f"`{alias}`" in text for alias in law.aliases)
    assert all(f"[{arxiv}]({papers.link(arxiv)})" in text for arxiv in papers.ARXIV.findall(str(law.source)))
    assert "js.fit(" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(line.endswith(" |") for line in rows)


def test_the_index_names_every_law(docs):
    text = docs.make_laws.index(list(LAWS.values()))
    assert all(f"[`{name}`]({name}.md)" in text and f"\n{name}\n" in text for name in LAWS)


@pytest.mark.parametrize("name", SOME)
def test_pictures(docs, name):
    law = LAWS[name]
    panels = docs.law_pictures.picture(law).axes
    assert [axes.get_title(loc="left") for axes in panels if axes.axison] == list(law.free)
    assert docs.law_pictures.svg(law).startswith("<?xml")


@pytest.mark.parametrize("name", SOME)
def test_examples_simulate(docs, name):
    simulation, _, _ = docs.law_examples.example(LAWS[name]).partition("fit = js.fit")
    made: dict = {}
    exec(simulation, made)
    assert len(made["runs"] if "runs" in made else made["table"]) >= 60


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_examples_run(docs, name):
    made: dict = {}
    quick = re.sub(r"js\.fit\((\w+), law\)", r'js.fit(\1, law, method="point")', docs.law_examples.example(LAWS[name]))
    exec(quick, made)
    assert made["fit"].status.ok, made["fit"].status
    assert docs.law_pictures.svg(LAWS[name]).startswith("<?xml")


# ---- cards and citations -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOME)
def test_cards_say_what_the_law_says(name):
    law, card = LAWS[name], call("laws", name)
    assert law.formula in card
    assert str(law.source) in card
    assert all(v.column in card and v.meaning in card for v in law.inputs.values())


def test_a_card_says_where_a_law_holds_and_what_it_follows():
    card = call("laws", "gadre_err")
    assert re.search(r"Valid +L from 1 to 12 nats/token", card)
    assert re.search(r"After +gadre", card)
    assert "10^21 FLOP (column / 1e21)" in call("laws", "inverse_u")


@pytest.mark.parametrize("name", LAWS)
def test_every_law_can_be_cited(name):
    law = LAWS[name]
    said, entries = papers.citation(law)
    *others, software = entries
    assert software.startswith("@software{jaxscale,")
    for entry in others:
        assert re.fullmatch(r"@misc\{[a-z]+\d{4}-\d{4}\.\d{5},\n(  \w+ = \{.+\},\n)+  \w+ = \{.+\}\n\}", entry)
        assert "  title = {{" in entry
        assert re.search(r"  year = \{(19|20)\d\d\}", entry)
    if isinstance(law.source, Ours):
        assert "jaxscale's own form, inspired by" in said
        assert law.source.inspired_by in said
    else:
        assert law.source.arxiv in said
        assert len(others) == 1
        assert f"eprint = {{{law.source.arxiv}}}" in others[0]


def test_keys_of_different_papers_differ():
    keys: dict[str, set[str]] = {}
    for law in LAWS.values():
        for entry in papers.citation(law)[1][:-1]:
            keys.setdefault(entry.partition("{")[2].partition(",")[0], set()).add(entry.partition("eprint")[2][:30])
    assert all(len(eprints) == 1 for eprints in keys.values())


def test_cite():
    text = call("cite", "chinchilla")
    assert text.startswith('chinchilla is the law of Hoffmann et al. 2022, "Training Compute-Optimal Large')
    assert "  author = {Hoffmann and others},\n  year = {2022},\n  eprint = {2203.15556}," in text
    assert "author = {Chacoma and Zanette}" in call("cite", "heaps")
    said = json.loads(call("cite", "loss_to_error_exp", "--json"))
    assert (said["law"], said["own"], len(said["bibtex"])) == ("gadre_err", False, 2)
    own = json.loads(call("cite", "best_of_n_score", "--json"))
    assert own["own"]
    assert len(own["bibtex"]) == 4


# ---- finding laws --------------------------------------------------------------------------------


def test_filters():
    both = names("--input", "params") & names("--response", "score")
    assert names("--input", "params", "--response", "score") == both
    assert names("--input", "N") <= names()
    assert names("--topic", "precision") >= {law.name for law in LAWS.values() if law.topic == "precision"}
    assert not names("--topic", "precision") & {law.name for law in LAWS.values() if law.topic != "precision"}
    assert "fp_quant" in names("--topic", "precision", "--input", "D")
    assert "The topics are" in call("laws", "--topic", "cookery", code=1)


def test_laws_of_a_paper():
    said = json.loads(call("laws", "--paper", "monkeys", "--json"))
    assert {"coverage_exp_power"} == {law["name"] for law in said["laws"]}
    assert said["papers"][0]["arxiv"] == "2407.21787"
    assert "chinchilla" in names("--paper", "Hoffmann")  # as the law file has it
    assert "chinchilla" in names("--paper", "2203.15556")
    call("laws", "--paper", "neural language models gardening", code=1)
    assert "kaplan_nd" in names("--paper", "scaling laws for NEURAL language", "--response", "loss")
    text = call("laws", "--paper", "benchmark calibration")
    assert "calibration_error" in text
    call("laws", "--paper", "gardening", code=1)
    call("laws", "--paper", " ", code=1)


# ---- papers --------------------------------------------------------------------------------------


def test_the_list_is_complete():
    kinds = Counter(paper.kind for paper in papers.papers())
    assert (kinds["law"], kinds["method"]) == (83, 11)
    assert set(kinds) == {"law", "method", "further"}
    for field in ("title", "arxiv"):
        values = [getattr(paper, field) for paper in papers.papers()]
        assert len(set(values)) == len(values)
    assert all(re.fullmatch(r"\d{4}\.\d{5}", paper.arxiv) for paper in papers.papers())
    assert all(paper.title and paper.names and paper.remark for paper in papers.papers())


def test_every_name_of_the_list_is_there():
    protocols = (
        importlib.import_module("jaxscale.protocols") if importlib.util.find_spec("jaxscale.protocols") else None
    )
    for paper in papers.papers():
        assert all(get_law(name).name in LAWS for name in paper.laws)
        assert protocols is None or all(callable(getattr(protocols, name)) for name in paper.protocols)


def test_the_page_by_paper_is_up_to_date(docs):
    """If not: python docs/make_laws.py."""
    text = docs.make_laws.coverage()
    assert (DOCS / "coverage.md").read_text(encoding="utf-8") == text
    assert all(f"](https://arxiv.org/abs/{paper.arxiv})" in text for paper in papers.papers())
    assert "[`chinchilla`](laws/chinchilla.md)" in docs.make_laws.with_links(text)
    assert "[`loss_to_error_exp`]" not in text
