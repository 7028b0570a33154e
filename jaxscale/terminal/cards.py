"""What is known about a law, for a person: a line, a card, and its priors in words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from jaxscale.law import Law, Preset, Variable
from jaxscale.priors import Prior
from jaxscale.terminal.console import paragraphs, table
from jaxscale.words import human, plain

CERTAINTY = {
    "verified": "checked against the paper",
    "recomputed": "recomputed from the paper's data",
    "secondary": "taken from a secondary source",
    "memory": "from memory, not checked",
}
DRAWS = 200_000  # for a prior without an inverse: two digits of its quantiles


def document(law: Law) -> dict[str, Any]:
    """A law as data, for `--json`."""
    presets = law.published
    return {
        "name": law.name,
        "aliases": list(law.aliases),
        "topic": law.topic,
        "formula": law.formula,
        "explanation": explanation(law),
        "inputs": {s: {"column": v.column, "unit": v.unit, "meaning": v.meaning} for s, v in law.inputs.items()},
        "response": {"column": law.response.column, "unit": law.response.unit, "meaning": law.response.meaning},
        "params": {p: prior_in_words(law, p) for p in law.params},
        "published": {k: {"values": dict(v), "certainty": v.certainty, "note": v.note} for k, v in presets.items()},
        "decides": law.decides,
        "box": dict(law.box),
        "after": law.after,
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
    inputs = [(s, column_in_words(v), unit_in_words(v), v.meaning) for s, v in law.inputs.items()]
    trials = [("", law.response.trials, "", "tries behind each count")] if law.response.trials else []
    response = ("", law.response.column, law.response.unit, f"response: {law.response.meaning}")
    params = [(p, prior_in_words(law, p)) for p in law.params]
    presets = "\n".join(_preset(name, values) for name, values in law.published.items())
    return paragraphs(
        f"{law.name}{also}: {law.formula}",
        explanation(law),
        "\n".join(f"{what:<8} {said}" for what, said in facts(law).items()),
        table(["symbol", "column", "unit", "meaning"], [*inputs, response, *trials], left=4),
        table(["parameter", "prior"], params, left=2),
        f"Published values\n{presets}" if presets else "No published values are recorded.",
    )


def explanation(law: Law) -> str:
    """What the docstring says below the formula."""
    return (inspect.getdoc(law.mean) or "").partition("\n")[2].strip()


def facts(law: Law) -> dict[str, str]:
    """Source, topic and use, by a word for each."""
    said = {"Source": str(law.source), "Topic": law.topic, "Decides": law.decides or "nothing that can be chosen"}
    if law.box:
        said["Valid"] = "; ".join(_range(s, law.inputs[s], *ends) for s, ends in law.box.items())
    if law.after:
        said["After"] = f"{law.after}; see jaxscale.chain"
    if law.fixed_units:
        said["Units"] = "the published values hold in these units only"
    return said


def _range(symbol: str, variable: Variable, low: float, high: float) -> str:
    number = human if variable.per == 1.0 else plain  # not "1K billion"
    return f"{symbol} from {number(low)} to {number(high)} {variable.unit}".rstrip()


def column_in_words(variable: Variable) -> str:
    """Name of an input's column, or of the first and last of a vector's."""
    columns = variable.columns
    return columns[0] if len(columns) == 1 else f"{columns[0]} ... {columns[-1]}"


def unit_in_words(variable: Variable) -> str:
    """The formula's unit, and how it comes from the column where that counts otherwise."""
    return f"{variable.unit} (column / {plain(variable.per)})" if variable.per != 1.0 else variable.unit


def _preset(name: str, values: Preset) -> str:
    numbers = ", ".join(f"{p} = {plain(v, digits=6)}" for p, v in values.items())
    said = "; ".join(filter(None, (CERTAINTY.get(values.certainty, values.certainty), values.note)))
    return f"  {name}: {numbers}\n    ({said})"


@functools.cache
def prior_in_words(law: Law, param: str) -> str:
    """What the prior of a parameter says, in words a practitioner can agree or disagree with."""
    prior = law.priors[param]
    if not isinstance(prior, Prior):
        return f"fixed at {plain(prior, digits=6)}"
    low, middle, high = (plain(float(q), digits=2) for q in quantiles(prior.dist))
    spread = f"median {middle}, 90 % between {low} and {high}"
    response = law.response
    if response.scale == 1.0:
        unit = f", in {response.unit}" if response.unit else ""
    else:
        unit = f", relative to the size of {response.column}"
    if prior.above:
        return f"between {prior.above} and {plain(prior.below)}; share of the way: {spread}"
    if prior.scaled and prior.powers:
        return f"its term at the centre of the table's {' and '.join(prior.powers)}: {spread}{unit}"
    if prior.scaled:
        return f"{spread}{unit}; zero allowed"
    if prior.powers:
        return f"relative to the centre of the table's {' and '.join(prior.powers)}: {spread}"
    return ("its negative: " if prior.sign < 0 else "") + spread


def quantiles(distribution: Any, levels: Sequence[float] = (0.05, 0.5, 0.95)) -> np.ndarray:
    """Quantiles of a NumPyro distribution of one number."""
    try:
        return np.asarray(distribution.icdf(np.array(levels)))
    except (NotImplementedError, ImportError):  # some have no inverse, or one that needs another package
        return np.quantile(np.asarray(distribution.sample(jax.random.key(0), (DRAWS,))), levels)
