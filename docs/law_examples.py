"""A few lines of Python for each law: simulate a table, then fit it. They run as they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from jaxscale.law import Law
from jaxscale.priors import Prior
from jaxscale.runtime import float64
from jaxscale.terminal.cards import quantiles
from jaxscale.variables import Variable
from jaxscale.words import plain

RUNS, RUNS_A_PARAMETER = 60, 8  # of a table, and at least for each parameter
TRIALS = 5000  # behind a count
MARGIN = 0.03  # of a share from 0 and 1, which noise must not pass
SEEN = 20  # places at which published values are tried
# Columns -> from where to where to simulate, in the tables' units; the others lie between the ends of their span.
TYPICAL: Mapping[str, tuple[float, float]] = {
    "params": (1e8, 1e10), "tokens": (2e9, 2e11), "flops": (1e19, 1e23), "tokens_per_param": (5.0, 500.0),
    "examples": (1e3, 1e6), "streams": (1.0, 8.0), "samples": (1.0, 1e3), "compute": (300.0, 3e4),
    "loss": (1.5, 4.0), "steps": (1e3, 1e5), "unique_tokens": (1e9, 1e11), "gmacs_total": (1e9, 1e12),
    "pool_samples": (1e5, 1e8), "epochs": (1.0, 10.0), "pairs": (1e3, 1e6), "batch_tokens": (1e5, 1e7),
    "batch_size_seqs": (32.0, 4096.0), "pretrained_params": (1e8, 1e11), "finetuned_params": (1e8, 1e11),
    "encoder_params": (1e7, 1e9), "decoder_params": (1e7, 1e9), "avg_params": (1e8, 1e10), "tokens_read": (1e3, 1e7),
    "image_noun_pairs": (1e7, 1e9), "finetune_characters": (1e5, 1e8), "params_non_vocab": (3e7, 3e9),
    "vocab_size": (4e3, 1e5), "embed_dim": (256.0, 8192.0), "width": (64.0, 8192.0), "output_tokens": (500.0, 3e4),
    "lr": (1e-5, 1e-3), "forward_area": (1.0, 30.0), "annealing_area": (0.0, 0.3), "flops_ratio": (1.0, 64.0),
    "experts": (1.0, 64.0), "log10_tokens": (6.0, 9.0), "exposures": (10.0, 1e4), "examples_per_param": (0.1, 10.0),
    "nll_correct": (0.5, 5.0), "nll_incorrect": (0.5, 5.0), "capability_1": (-2.0, 2.0), "capability_2": (-2.0, 2.0),
    "capability_3": (-2.0, 2.0),
}  # fmt: skip
OTHER = (1e2, 1e5)
# Sizes of responses that a table sets the scale of; the others are simulated about 1.
SIZES = {"vocabulary_size": 2e4, "steps": 1e4, "mae": 20.0, "score": 50.0, "max_attention_logit": 20.0}


def example(law: Law) -> str:
    """Code that simulates a table of the law and fits it."""
    if any(v.length for v in law.inputs.values()):
        return _of_schedules(law)
    count = max(RUNS, RUNS_A_PARAMETER * len(law.free))
    values, params = _params(law)
    before, inputs = _inputs(law, count)
    lines = ["import jaxscale as js", "import numpy as np", "", f'law = js.get_law("{law.name}")']
    lines += ["rng = np.random.default_rng(0)", *before, f"params = {params}"]
    lines += ["inputs = {", *(f"    {line}," for line in inputs), "}"]
    lines += [f"runs = js.simulate(law, params, inputs{_noise(law, values)})", "fit = js.fit(runs, law)"]
    return "\n".join([*lines, "print(fit.status)"])


def _of_schedules(law: Law) -> str:
    """Of a law whose inputs are vectors made from learning rates."""
    _, params = _params(law)
    return f"""import jaxscale as js
import numpy as np
import pandas as pd
from jaxscale.schedules import cosine, prepare, wsd

law = js.get_law("{law.name}")
params = {params}
steps = range(2000, 20001, 500)
rates = [cosine(3e-4, 20000, 500, 3e-5), wsd(3e-4, 20000, 500, 2000, 3e-5), wsd(3e-4, 20000, 500, 10000, 3e-5)]
table = pd.concat([pd.DataFrame(prepare(lr, steps)) for lr in rates], ignore_index=True)
inputs = [table[list(v.columns)].to_numpy() if v.length else table[v.column].to_numpy() for v in law.inputs.values()]
noise = np.random.default_rng(0).normal(1.0, 0.002, len(table))
table["{law.response.column}"] = law(*inputs, **params) * noise
fit = js.fit(table, law)
print(fit.status)"""


def _noise(law: Law, values: Mapping[str, float]) -> str:
    """A hundredth of the response, where the usual noise is a number in its unit."""
    if law.response.on == "log" or law.response.support in ("unit", "count"):
        return ""
    return f", sd={plain(0.01 * float(np.median(np.abs(_simulated(law, values)))), digits=1)}"


def _inputs(law: Law, count: int) -> tuple[list[str], list[str]]:
    """Lines before the inputs, and one line for each."""
    shares = [s for s, v in law.inputs.items() if v.column.startswith("share_")]
    parts = len(shares) if len(shares) == len(law.inputs) else len(shares) + 1  # beside others, a share remains
    before = [f"shares = rng.dirichlet(np.ones({parts}), {count})"] if shares else []
    lines = []
    for symbol, v in law.inputs.items():
        low, high = (plain(end) for end in ends(law, symbol))
        if symbol in shares:
            drawn = f"shares[:, {shares.index(symbol)}]"
        elif v.axis == "log":
            drawn = f"np.exp(rng.uniform(np.log({low}), np.log({high}), {count}))"
        else:
            drawn = f"rng.uniform({low}, {high}, {count})"
        lines.append(f'"{symbol}": {drawn}')
    return before, [*lines, f'"trials": np.full({count}, {TRIALS})'] if law.response.trials else lines


def ends(law: Law, symbol: str) -> tuple[float, float]:
    """From where to where an input is simulated, in the law's unit."""
    v = law.inputs[symbol]
    low, high = (end / v.per for end in _usual(v))
    least, most = law.box.get(symbol, (low, high))
    inside = max(low, least), min(high, most)
    return inside if _wide(v, *inside) else (least, most)


def _wide(v: Variable, low: float, high: float) -> bool:
    return high > low and (v.axis == "raw" or high > 2.1 * low)


def _usual(v: Variable) -> tuple[float, float]:
    if v.column in TYPICAL:
        return TYPICAL[v.column]
    if v.axis == "raw":
        return v.span or (0.0, 1.0)
    if v.span is None:
        return OTHER
    low, high = np.log(v.span)  # two decades about the middle, or the whole span
    reach = min(0.5 * (high - low), np.log(10.0))
    middle = 0.5 * (low + high)
    return float(np.exp(middle - reach)), float(np.exp(middle + reach))


def _params(law: Law) -> tuple[dict[str, float], str]:
    """Published values where a set is complete and makes sense there, else what the priors expect; and their code."""
    for name, values in law.published.items():
        if set(values) == set(law.params) and _sensible(law, values):
            return dict(values), f'law.published["{name}"]'
    values = expected(law)
    return values, "{" + ", ".join(f'"{p}": {plain(v)}' for p, v in values.items()) + "}"


def expected(law: Law) -> dict[str, float]:
    """Parameters near the middle of their priors, at the centre of the inputs above.

    Shares and numbers of either sign stand off their middle in turns, lest a law be flat there.
    """
    centre = {s: 0.5 * sum(np.log(ends(law, s))) if v.axis == "log" else 0.0 for s, v in law.inputs.items()}
    scale = law.response.scale or SIZES.get(law.response.column, 1.0)
    out: dict[str, Any] = {}
    with float64():
        for i, p in enumerate(law.order):
            prior = law.priors[p]
            if isinstance(prior, Prior):
                level = 0.5 if prior.bijector == "exp" else (0.3, 0.7)[i % 2]
                middle = float(quantiles(prior.dist, [level])[0])
                out[p] = float(prior.parameter(middle, out, centre, scale))
            else:
                out[p] = float(prior)
    return {p: out[p] for p in law.params}


def _sensible(law: Law, values: Mapping[str, float]) -> bool:
    """Whether these values give the response's range, and not one and the same number, over the example's inputs."""
    y = _simulated(law, values)
    support = law.response.support
    low, high = {"positive": (0.0, np.inf), "real": (-np.inf, np.inf)}.get(support, (MARGIN, 1.0 - MARGIN))
    return bool(np.isfinite(y).all() and (y > low).all() and (y < high).all() and np.ptp(y) > 1e-3 * np.abs(y).max())


def _simulated(law: Law, values: Mapping[str, float]) -> np.ndarray:
    """The law's mean at some places between the example's ends."""
    rng = np.random.default_rng(0)
    inputs = []
    for s, v in law.inputs.items():
        low, high = ends(law, s)
        if v.example is not None:
            inputs.append(np.asarray(v.example(rng, SEEN)))
        elif v.axis == "log":
            inputs.append(np.exp(rng.uniform(np.log(low), np.log(high), SEEN)))
        else:
            inputs.append(rng.uniform(low, high, SEEN))
    with float64():
        return np.asarray(jax.vmap(lambda *x: law.mean(*x, **values))(*inputs))
