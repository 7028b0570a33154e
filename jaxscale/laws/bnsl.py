"""Broken neural scaling laws: power laws that bend smoothly into one another."""

import numpyro.distributions as dist
from jax import numpy as jnp

from jaxscale.law import Paper, Response, Variable, exponent, family, floor, law, log, positive, preset, relative, term

SCALED = Variable("x", "", "what is scaled: examples, parameters or FLOP")
ERROR = Response("loss", "", "loss or error", scale=None)
ONE_BREAK = {"honey2023": preset(d1=2.2e15, note="FLOP; small masked language models, the break alone")}
THREE_BREAKS = {
    "figure_1": preset(
        a=1e-3,
        b=4660.0,
        c0=0.05,
        c1=0.49,
        c2=-0.811,
        c3=2.1,
        d1=3e6,
        d2=1e14,
        d3=2e20,
        f1=1.1,
        f2=1.425,
        f3=0.05,
        note="drawn to show the shapes, not fitted",
    )
}


@family("breaks", 1)
def bnsl(breaks):
    """The law with this many breaks."""
    numbers = range(1, breaks + 1)
    priors = {"a": floor(), "b": term("x", "c0"), "c0": exponent(median=0.15, spread=1.0)}
    for i in numbers:
        # breaks keep their order: each has its own stretch of an axis that reaches further where there are more
        place = 10.0 ** (1.2 * (i - (breaks + 1) / 2.0))
        priors |= {
            f"c{i}": dist.StudentT(4.0, 0.8, 0.4),
            f"d{i}": relative("x", median=place, spread=1.5 if breaks == 1 else 0.7),
            f"f{i}": positive(median=0.3, spread=1.0),
        }

    def formula(x, *, a, b, c0, **rest):
        log_x = log(x)
        bends = [
            rest[f"c{i}"] * rest[f"f{i}"] * jnp.logaddexp(0.0, (log_x - jnp.log(rest[f"d{i}"])) / rest[f"f{i}"])
            for i in numbers
        ]
        return a + b * x**-c0 * jnp.exp(-sum(bends))

    product = " ".join(f"(1 + (x / d{i})^(1 / f{i}))^(-c{i} f{i})" for i in numbers)
    formula.__doc__ = f"""y(x) = a + b x^-c0 {product}, a loss or an error.

    The slope in log x is -c0 before the first break d1, and the sum of -c0, -c1, ... after each; f is its width, small
    for a sharp one. The paper fits the squares of log(y + 1).
    """
    return law(
        name="bnsl" if breaks == 1 else f"bnsl:{breaks}",
        inputs={"x": SCALED},
        response=ERROR,
        priors=priors,
        linear=("a", "b"),
        source=Paper("Caballero et al. 2022", arxiv="2210.14891"),
        published={1: ONE_BREAK, 3: THREE_BREAKS}.get(breaks, {}),
        decides="x for a target loss",
        aliases=("small_scale_break",) if breaks == 1 else (),
        topic="other",
    )(formula)
