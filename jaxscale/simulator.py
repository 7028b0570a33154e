"""Tables simulated from a law: for demos, tests and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from jaxscale.errors import LawError
from jaxscale.law import Law, get_law
from jaxscale.noise import Noise, get_noise
from jaxscale.readers import read_runs
from jaxscale.runs import Runs
from jaxscale.runtime import at_the_door


@at_the_door
def simulate(
    law: str | Law,
    params: Mapping[str, float],
    inputs: Mapping[str, Any],
    noise: str | Noise | None = None,
    sd: float | None = None,
    nu: float = 4.0,
    seed: int = 0,
) -> Runs:
    """Runs that follow a law.

    Args:
        law: a law or its name.
        params: every parameter of the law.
        inputs: symbol -> (n,) values; for counts also "trials".
        noise: as in `fit`.
        sd: scale of the noise on its own scale (relative on the log scale); 0.01 unless given, and 0 for none.
        nu: degrees of freedom of Student-t noise.
        seed: of the noise.

    Returns:
        Runs whose columns have canonical names; `source` says that they are simulated.

    Raises:
        LawError: a parameter or an input is missing or unknown.
    """
    law = get_law(law)
    _same_names(law, "parameters", set(law.params), set(params))
    trials = {"trials"} if law.response.trials else set()
    _same_names(law, "inputs", {*law.inputs, *trials}, set(inputs))
    noise = get_noise(noise, law.response)
    x = [np.atleast_1d(np.asarray(inputs[s], dtype=np.float64)) for s in law.inputs]
    n = np.broadcast_shapes(*(v.shape[:1] for v in x))
    x = [np.broadcast_to(v, n + v.shape[1:]) for v in x]  # (n,) each, of a vector (n, length)
    mean = jnp.asarray(law(*x, **params))
    if len(wrong := np.flatnonzero(~np.isfinite(np.asarray(mean)).reshape(-1))):
        at = ", ".join(f"{s} = {v[wrong[0]]!s}" for s, v in zip(law.inputs, x, strict=True))
        raise LawError(
            f"{law.name} gives no finite number at row {wrong[0]}, {at}: inputs beyond what the law can take"
        )
    sd = 0.01 if sd is None else sd
    lane = {"trials": jnp.broadcast_to(jnp.asarray(inputs["trials"], dtype=float), mean.shape)} if trials else {}
    if sd == 0.0 and not trials:
        y = mean
    else:
        noise_params = {"sigma": jnp.asarray(sd), "nu": jnp.asarray(nu)}
        y = noise.sample(jax.random.key(seed), mean, noise_params, lane)
        y = jnp.round(y * lane["trials"]) if trials else y
    table = pd.DataFrame(law.by_column(dict(zip(law.inputs, x, strict=True))))
    table[law.response.column] = np.asarray(y, dtype=np.float64)
    if law.response.trials:
        table[law.response.trials] = np.asarray(lane["trials"])
    return replace(read_runs(table), source=f"<simulated from {law.name}>")


def _same_names(law: Law, what: str, expected: set[str], got: set[str]) -> None:
    if expected != got:
        missing, unknown = ", ".join(sorted(expected - got)) or "none", ", ".join(sorted(got - expected)) or "none"
        raise LawError(
            f"{law.name} takes the {what} {', '.join(sorted(expected))}; missing: {missing}; unknown: {unknown}"
        )
