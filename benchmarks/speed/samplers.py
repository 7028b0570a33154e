"""Samplers that a careful user would take: one model of a Chinchilla table, in PyMC for nutpie and in NumPyro.

The model is written in coordinates in which it is easy: inputs are centred logs, a and b are what the two terms
contribute at the centre. Priors: E ~ LogNormal(0.5, 0.5), a, b ~ LogNormal(-1, 1), alpha, beta ~ LogNormal(-1, 0.5),
s ~ HalfNormal(0.05), nu ~ Gamma(2, 0.1); log loss ~ StudentT(nu, log(E + a exp(-alpha lN) + b exp(-beta lD)), s).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from clock import Clock

Table = tuple[np.ndarray, np.ndarray, np.ndarray]
Record = dict[str, Any]
JUDGED = ("E", "alpha", "beta", "s")  # s is the scale of the noise
CHAINS, WARM_UP, DRAWS = 4, 1000, 1000  # NumPyro's; nutpie is left to its defaults


def centred(table: Table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log N and log D about their means, and log loss."""
    size, tokens, loss = (np.log(column) for column in table)
    return size - size.mean(), tokens - tokens.mean(), loss


def quality(draws: dict[str, np.ndarray], divergences: int) -> Record:
    """Moments, effective sizes and R-hat of draws (chain, draw), by arviz-stats."""
    from arviz_stats.base import array_stats  # pyright: ignore[reportPrivateImportUsage]

    def each(statistic: Any, **options: Any) -> dict[str, float]:
        return {p: float(statistic(draws[p], chain_axis=0, draw_axis=1, **options)) for p in JUDGED}

    bulk = each(array_stats.ess, method="bulk")
    # Both 5 % tails, as in Vehtari et al. 2021 and in jaxscale; left to itself ArviZ looks at its interval's ends.
    tail = each(array_stats.ess, method="tail", prob=(0.05, 0.95))
    r_hat = each(array_stats.rhat)
    return {
        "ess_bulk": min(bulk.values()),
        "ess_tail": min(tail.values()),
        "r_hat": max(r_hat.values()),
        "divergences": divergences,
        "draws": int(draws["E"].size),
        "chains": int(draws["E"].shape[0]),
        "mean": {p: float(draws[p].mean()) for p in JUDGED},
        "sd": {p: float(draws[p].std(ddof=1)) for p in JUDGED},
        "ess_bulk_by": bulk,
    }


def nutpie(seed: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """PyMC's model through nutpie with its defaults; each table is a new model and is compiled anew."""
    import nutpie as sampler  # pyright: ignore[reportMissingImports]
    import pymc as pm  # pyright: ignore[reportMissingImports]

    def model(table: Table) -> Any:
        size, tokens, y = centred(table)
        with pm.Model() as stock:
            floor = pm.LogNormal("E", 0.5, 0.5)
            a, b = (pm.LogNormal(name, -1.0, 1.0) for name in ("a", "b"))
            alpha, beta = (pm.LogNormal(name, -1.0, 0.5) for name in ("alpha", "beta"))
            s, nu = pm.HalfNormal("s", 0.05), pm.Gamma("nu", 2.0, 0.1)
            mean = floor + a * pm.math.exp(-alpha * size) + b * pm.math.exp(-beta * tokens)
            pm.StudentT("y", nu=nu, mu=pm.math.log(mean), sigma=s, observed=y)
        return stock

    def fit(table: Table) -> Record:
        clock = Clock()
        compiled = sampler.compile_pymc_model(model(table))
        setup = clock.read("setup_")
        trace = sampler.sample(compiled, seed=seed, progress_bar=False)
        spent = clock.read()
        draws = {p: trace.posterior[p].values for p in JUDGED}
        return {**spent, **setup, **quality(draws, int(trace.sample_stats["diverging"].sum()))}

    return fit, {"settings": "nutpie.sample's defaults", "setup": "PyMC's model compiled for the table (numba)"}


def numpyro(seed: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """NUTS as its users run it: a new MCMC object, and so a new compile, for each table."""
    compiling = _begin()

    def fit(table: Table) -> Record:
        data = centred(table)
        clock, before = Clock(), sum(compiling)
        runner = _mcmc()
        found = _run(runner, seed, data)
        return {**clock.read(), "setup_wall_s": sum(compiling) - before, **quality(*found)}

    return fit, {"settings": _SETTINGS, "setup": "tracing and compiling, by JAX's own account, in wall seconds only"}


def numpyro_jit_model_args(seed: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """One MCMC object with jit_model_args=True for all tables, as its documentation advises."""
    compiling = _begin()
    runner = _mcmc(jit_model_args=True)

    def fit(table: Table) -> Record:
        data = centred(table)
        clock, before = Clock(), sum(compiling)
        found = _run(runner, seed, data)
        return {**clock.read(), "setup_wall_s": sum(compiling) - before, **quality(*found)}

    settings = _SETTINGS + ", jit_model_args=True, one MCMC object"
    return fit, {"settings": settings, "setup": "what is compiled again all the same, in wall seconds only"}


def numpyro_reused(seed: int, **_: Any) -> tuple[Callable[[Table], Record], Record]:
    """The whole run inside jax.jit, compiled once for all tables of a shape: NumPyro's best case."""
    import jax

    compiling = _begin()

    @jax.jit
    def program(key: Any, data: Any) -> Any:
        runner = _mcmc()
        runner.run(key, *data, extra_fields=("diverging",))
        return runner.get_samples(group_by_chain=True), runner.get_extra_fields()["diverging"]

    def fit(table: Table) -> Record:
        data = centred(table)
        clock, before = Clock(), sum(compiling)
        draws, diverging = jax.block_until_ready(program(jax.random.key(seed), data))
        spent = {**clock.read(), "setup_wall_s": sum(compiling) - before}
        return {**spent, **quality({p: np.asarray(draws[p]) for p in JUDGED}, int(diverging.sum()))}

    return fit, {"settings": _SETTINGS + ", all in one jax.jit", "setup": "none: `first` holds the only compile"}


_SETTINGS = f"NUTS(dense_mass=True), {CHAINS} vectorised chains, {WARM_UP} + {DRAWS} draws, float64"


def _mcmc(**options: Any) -> Any:
    import jax.numpy as jnp
    import numpyro as library
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    sample: Any = library.sample

    def stock(size: Any, tokens: Any, y: Any) -> None:
        floor = sample("E", dist.LogNormal(0.5, 0.5))
        a, b = (sample(name, dist.LogNormal(-1.0, 1.0)) for name in ("a", "b"))
        alpha, beta = (sample(name, dist.LogNormal(-1.0, 0.5)) for name in ("alpha", "beta"))
        s, nu = sample("s", dist.HalfNormal(0.05)), sample("nu", dist.Gamma(2.0, 0.1))
        mean = floor + a * jnp.exp(-alpha * size) + b * jnp.exp(-beta * tokens)
        sample("y", dist.StudentT(nu, jnp.log(mean), s), obs=y)

    lengths = {"num_warmup": WARM_UP, "num_samples": DRAWS, "num_chains": CHAINS}
    kernel = NUTS(stock, dense_mass=True)
    return MCMC(kernel, **lengths, chain_method="vectorized", progress_bar=False, **options)


def _run(runner: Any, seed: int, data: Any) -> tuple[dict[str, np.ndarray], int]:
    import jax

    runner.run(jax.random.key(seed), *data, extra_fields=("diverging",))
    draws = runner.get_samples(group_by_chain=True)  # the copies to NumPy wait for the sampler
    return {p: np.asarray(draws[p]) for p in JUDGED}, int(runner.get_extra_fields()["diverging"].sum())


def _begin() -> list[float]:
    """Turn on float64; a list that JAX adds the wall seconds of every trace, lowering and compile to."""
    import jax
    import numpyro as library

    library.enable_x64()
    seconds: list[float] = []

    def listen(event: str, duration_secs: float, **kwargs: str | int) -> None:
        if event.startswith("/jax/core/compile/"):
            seconds.append(duration_secs)

    jax.monitoring.register_event_duration_secs_listener(listen)
    return seconds
