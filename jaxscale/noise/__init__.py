"""Observation models: how a measured run scatters about the law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from jaxscale.errors import ConfigError
from jaxscale.noise.base import Noise
from jaxscale.noise.checkpoints import Checkpoints
from jaxscale.noise.counts import BetaBinomial, Binomial
from jaxscale.noise.levels import Ordered, Rounded
from jaxscale.noise.plain import Normal, StudentT
from jaxscale.noise.points import Huber, LeastSquares
from jaxscale.noise.robust import Frontier, Outliers
from jaxscale.noise.scores import Beta
from jaxscale.noise.uneven import Heteroscedastic, KnownSd
from jaxscale.variables import Response

NOISES: Mapping[str, type[Noise]] = {
    n.name: n
    for n in (
        StudentT, Normal, Outliers, Frontier, Heteroscedastic, KnownSd, Checkpoints, Binomial, BetaBinomial, Beta,
        Ordered, LeastSquares, Huber,
    )
}  # fmt: skip
# Names of every noise's parameters, beside which a law's are reported, and what they are.
NOISE_PARAMETERS: Mapping[str, str] = {
    "sigma": "scale of the noise",
    "nu": "number of degrees of freedom of the noise",
    "sigma_slope": "power of size by which the noise falls",
    "outlier_share": "share of outliers",
    "outlier_width": "width of the outliers' errors over sigma, less one",
    "under_tuned": "share of under-tuned runs",
    "excess": "mean excess of an under-tuned run over sigma",
    "run_sd": "scatter between runs",
    "memory": "correlation of neighbouring rows of a run",
    "mid_schedule": "excess before the learning rate's decay",
    "concentration": "concentration of the beta distribution",
    "score_floor": "score of guessing",
    "score_ceiling": "best score there is",
}
WORDS: Mapping[str, Any] = {"true": True, "false": False, "learned": None}


def get_noise(spec: str | Noise | None, response: Response) -> Noise:
    """A noise settled for a response, from an object or a text.

    A text is a name, with options behind a colon and a scale behind a slash, where wanted: "student_t",
    "normal/raw", "huber:delta=0.01", "beta:floor=0.25,ceiling=learned", "checkpoints:annealed=true".

    Raises:
        ConfigError: an unknown name, option or scale, or a noise that cannot describe the response.
    """
    if isinstance(spec, Noise):
        return spec.on_scale(response)
    text, _, on = (spec or response.noise).partition("/")
    name, _, options = text.partition(":")
    if name not in NOISES or on not in ("", "log", "raw"):
        raise ConfigError(
            f"no noise is called {spec!r}; there are {', '.join(NOISES)}, each with /log or /raw behind it"
        )
    return NOISES[name](on or None, **_options(name, options)).on_scale(response)


def _options(name: str, text: str) -> dict[str, Any]:
    known = [f.name for f in fields(NOISES[name]) if f.name != "on"]
    found = {}
    for part in filter(None, text.split(",")):
        key, _, value = (p.strip() for p in part.partition("="))
        if key not in known:
            there = f"it has {', '.join(known)}" if known else "it has none"
            raise ConfigError(f"noise {name!r} has no option {key!r}; {there}")
        try:
            found[key] = WORDS[value] if value in WORDS else float(value)
        except ValueError:
            raise ConfigError(f"noise {name!r}: {key}={value!r} is not a number, true, false or learned") from None
    return found


__all__ = [
    "NOISES", "NOISE_PARAMETERS", "Beta", "BetaBinomial", "Binomial", "Checkpoints", "Frontier", "Heteroscedastic",
    "Huber", "KnownSd", "LeastSquares", "Noise", "Normal", "Ordered", "Outliers", "Rounded", "StudentT", "get_noise",
]  # fmt: skip
