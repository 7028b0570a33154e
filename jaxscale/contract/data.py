"""Checks against numbers: published coefficients, what the priors expect, and simulated tables."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale import api
from jaxscale.contract.bench import Bench, Fault, design, range_of, said, simulated
from jaxscale.words import quoted

NOISE = 0.005


def published(bench: Bench) -> str:
    """Presets give values; what a paper leaves open is at its prior median."""
    law, model = bench.law, bench.model
    middle = model.coordinates(jnp.asarray(np.median(bench.u, axis=0)))
    by_param = {s.param: (s.prior, middle[s.name]) for s in model.sites}
    for name, preset in law.published.items():
        params: dict[str, Any] = {}
        for p in law.order:
            if p in preset or p not in by_param:
                params[p] = preset.get(p, law.priors[p])
            else:
                known, coordinate = by_param[p]
                params[p] = known.parameter(coordinate, params, bench.centre, bench.scale)
        inputs = bench.inputs(bench.x)
        got = np.asarray(law(*inputs.values(), **params))
        if not (ok := bench.supported(got)).all():
            i = int(np.argmin(ok))
            at = said({s: v[i] for s, v in inputs.items()})
            raise Fault(f"preset {name!r} at {at}: got {quoted(got[i])}; expected {range_of(bench)}")
    return f"{len(law.published)} presets give {range_of(bench)}" if law.published else "no presets"


def prior(bench: Bench) -> str:
    """What the priors say of the response at the centre, before any data."""
    at = bench.values[:, 0] / bench.scale
    kind = bench.law.response.support
    low, high, share = {
        "positive": (0.01, 100.0, 0.99),
        **dict.fromkeys(("real", "ordinal"), (-100.0, 100.0, 0.99)),
    }.get(kind, (1e-4, 1 - 1e-4, 0.9))
    inside = float(np.mean((at >= low) & (at <= high)))
    if inside < share:
        q = np.quantile(at, [0.05, 0.5, 0.95])
        at_centre = said({s: v[0] for s, v in bench.inputs(bench.x).items()})
        raise Fault(
            f"at {at_centre}: got {inside:.0%} of the prior draws between {low:g} and {high:g} "
            f"(5, 50, 95 %: {', '.join(quoted(v, 3) for v in q)}); expected at least {share:.0%}"
        )
    return f"{inside:.0%} of the draws at the centre lie between {low:g} and {high:g}"


def recovery(bench: Bench) -> str:
    """The point fit finds the curve again."""
    if bench.law.response.support == "ordinal":
        return "whole levels are too coarse to find a curve again within a percent: not tried"
    middle = np.median(bench.u, axis=0)
    for i, start in enumerate([middle, *(0.5 * (middle + bench.u[:2]))]):
        _recover(bench, start, "least_squares", 0.0, (0.002, 0.002), f"table {i + 1} without noise")
    _recover(bench, middle, None, NOISE, (0.01, 0.1), f"a table with {NOISE:.1%} noise")
    count = len(next(iter(design(bench).values())))
    return f"the fit of {count} simulated runs predicts within 0.2 %, a decade beyond them too"


def _recover(bench: Bench, u: np.ndarray, noise: str | None, sd: float, within: tuple[float, float], what: str):
    law, model, x = bench.law, bench.model, design(bench)
    centre = {s: v.mean() if law.inputs[s].axis == "log" else 0.0 for s, v in x.items()}
    lane = {"centre": centre, "scale": np.asarray(bench.scale)}
    truth = {p: float(v) for p, v in bench.only(model.parameters(model.coordinates(jnp.asarray(u)), lane)).items()}
    fit = api.fit(simulated(bench, x, truth, sd), law, noise=noise, method="point", seed=bench.seed, progress=False)
    if not fit.status.ok:
        raise Fault(f"{what}, simulated with {said(truth)}: got {fit.status}; expected an optimum")
    query = bench.inputs({s: _asked(bench, s, v) for s, v in x.items()})
    expected = np.asarray(law(*query.values(), **truth))
    got = fit.predict(pd.DataFrame(law.by_column(query)))["mean"].to_numpy()
    size = np.abs(expected) + (bench.scale if law.response.support == "real" else 0.0)
    for i, share in enumerate(within):
        if not abs(got[i] - expected[i]) <= share * size[i]:
            raise Fault(
                f"{what}, simulated with {said(truth)}, at {said({s: v[i] for s, v in query.items()})}: "
                f"got {quoted(got[i])} from the fit; expected {quoted(expected[i])} within {share:.1%}"
            )


def _asked(bench: Bench, symbol: str, values: np.ndarray) -> np.ndarray:
    """The middle of the design, and a decade beyond it where there is a beyond."""
    if bench.law.inputs[symbol].axis == "raw":
        return values[[0, int(np.argmax(values.reshape(len(values), -1).sum(axis=1)))]]
    return np.minimum([values.mean(), values.max() + np.log(10.0)], bench.ends(symbol)[1])
