"""What is known about a law, for a person: a line, a card, and how to cite it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxscale import __version__
from jaxscale.law import Law, Paper, Preset
from jaxscale.priors import Prior
from jaxscale.terminal.console import paragraphs, table
from jaxscale.words import plain

CERTAINTY = {
    "verified": "checked against the paper",
    "recomputed": "recomputed from the paper's data",
    "secondary": "taken from a secondary source",
    "memory": "from memory, not checked",
}
LICENCE = "Apache-2.0"
DRAWS = 200_000  # for a prior without an inverse: two digits of its quantiles


def document(law: Law) -> dict[str, Any]:
    """A law as data, for `--json`."""
    presets = law.published
    return {
        "name": law.name,
        "aliases": list(law.aliases),
        "topic": law.topic,
        "formula": law.formula,
        "inputs": {s: {"column": v.column, "unit": v.unit, "meaning": v.meaning} for s, v in law.inputs.items()},
        "response": {"column": law.response.column, "unit": law.response.unit, "meaning": law.response.meaning},
        "params": {p: prior_in_words(law, p) for p in law.params},
        "published": {k: {"values": dict(v), "certainty": v.certainty, "note": v.note} for k, v in presets.items()},
        "decides": law.decides,
        "source": str(law.source),
    }


def lines(laws: list[Law]) -> str:
    """One line a law."""
    rows = [(law.name, ", ".join(law.inputs), law.response.column, law.topic, law.formula) for law in laws]
    shown = table(["law", "inputs", "response", "topic", "formula"], rows, left=5)
    return paragraphs(shown, "`jaxscale laws NAME` shows a law's inputs, priors, published numbers and source.")


def card(law: Law) -> str:
    """Everything about one law, on a page."""
    also = f" (also called {', '.join(law.aliases)})" if law.aliases else ""
    inputs = [(s, v.column, v.unit, v.meaning) for s, v in law.inputs.items()]
    trials = [("", law.response.trials, "", "tries behind each count")] if law.response.trials else []
    response = ("", law.response.column, law.response.unit, f"response: {law.response.meaning}")
    params = [(p, prior_in_words(law, p)) for p in law.params]
    presets = "\n".join(_preset(name, values) for name, values in law.published.items())
    return paragraphs(
        f"{law.name}{also}: {law.formula}",
        f"Source   {law.source}\nTopic    {law.topic}\nDecides  {law.decides or 'nothing that can be chosen'}",
        table(["symbol", "column", "unit", "meaning"], [*inputs, response, *trials], left=4),
        table(["parameter", "prior"], params, left=2),
        f"Published values\n{presets}" if presets else "No published values are recorded.",
    )


def _preset(name: str, values: Preset) -> str:
    numbers = ", ".join(f"{p} = {plain(v, digits=6)}" for p, v in values.items())
    said = "; ".join(filter(None, (CERTAINTY.get(values.certainty, values.certainty), values.note)))
    return f"  {name}: {numbers}\n    ({said})"


def prior_in_words(law: Law, param: str) -> str:
    """What the prior of a parameter says, in words a practitioner can agree or disagree with."""
    prior = law.priors[param]
    if not isinstance(prior, Prior):
        return f"fixed at {plain(prior, digits=6)}"
    low, middle, high = (plain(float(q), digits=2) for q in _quantiles(prior.dist))
    spread = f"median {middle}, 90 % between {low} and {high}"
    response = law.response
    unit = f", in {response.unit}" if response.scale == 1.0 else f", relative to the size of {response.column}"
    if prior.above:
        return f"between {prior.above} and {plain(prior.below)}; share of the way: {spread}"
    if prior.scaled and prior.powers:
        return f"its term at the centre of the table's {' and '.join(prior.powers)}: {spread}{unit}"
    if prior.scaled:
        return f"{spread}{unit}; zero allowed"
    if prior.powers:
        return f"relative to the centre of the table's {' and '.join(prior.powers)}: {spread}"
    return ("its negative: " if prior.sign < 0 else "") + spread


def _quantiles(distribution: Any) -> np.ndarray:
    """5, 50 and 95 %."""
    levels = np.array([0.05, 0.5, 0.95])
    try:
        return np.asarray(distribution.icdf(levels))
    except (NotImplementedError, ImportError):  # some have no inverse, or one that needs another package
        return np.quantile(np.asarray(distribution.sample(jax.random.key(0), (DRAWS,))), levels)


def citation(law: Law) -> tuple[str, list[str]]:
    """The source as a sentence, and BibTeX entries for it and for this software."""
    software = (
        f"@software{{jaxscale,\n  title = {{jaxscale}},\n  version = {{{__version__}}},\n  license = {{{LICENCE}}}\n}}"
    )
    source = law.source
    if not isinstance(source, Paper):
        return f"{law.name}: {source}.", [software]
    key = "".join(re.findall(r"[a-z]+", source.title.lower())[:1] + re.findall(r"\d{4}", source.title)[:1])
    fields = {"note": str(source)}
    if source.arxiv:
        fields |= {"eprint": source.arxiv, "archivePrefix": "arXiv"}
    return f"{law.name} is the law of {source}.", [_entry("misc", key or law.name, fields), software]


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    body = ",\n".join(f"  {k} = {{{v}}}" for k, v in fields.items())
    return f"@{kind}{{{key},\n{body}\n}}"
