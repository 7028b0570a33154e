"""The contract of a law, checked: what must hold before the engine may trust a formula.

    js.check_law("my_law.py")

runs every check below on draws from the law's own priors, at inputs from a thousandth to a thousand times
a plausible centre, and either returns a report or raises an AssertionError with a sentence.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from jaxscale.contract.bench import Bench, Fault
from jaxscale.contract.data import prior, published, recovery
from jaxscale.contract.formula import coordinates, definition, float64, gradient, linear, units, values, views
from jaxscale.contract.meaning import directions, nesting
from jaxscale.law import Law, get_law
from jaxscale.runtime import at_the_door

LIGHT = ("definition", "float64", "values", "directions", "nesting", "published", "prior")


@dataclass(frozen=True)
class Report:
    """What was verified of a law.

    Attributes:
        law: its name.
        checks: name of a check -> what it verified, as a clause.
        seconds: how long it took.
    """

    law: str
    checks: Mapping[str, str]
    seconds: float

    def __str__(self) -> str:
        lines = [f"  {name:<12} {verified}" for name, verified in self.checks.items()]
        return "\n".join([f"{self.law}: {len(lines)} checks passed in {self.seconds:.1f} s", *lines])


@at_the_door
def check_law(law: str | Law, seed: int = 0, light: bool = False) -> Report:
    """Checks that a law keeps its contract with the engine; see docs/add_a_law.md for each check.

    Args:
        law: a law, its name, or the path of a Python file that defines one.
        seed: of the prior draws and of the simulated table.
        light: only the checks that take no fit and few compiled programs.

    Returns:
        A Report; its text lists what was verified.

    Raises:
        AssertionError: which check failed, at which inputs and parameters, what was got and expected.
        LawError: no such law.
    """
    began = time.perf_counter()
    law = get_law(law)
    bench, done = Bench(law, seed), {}
    for name, check in CHECKS.items():
        if light and name not in LIGHT:
            continue
        try:
            done[name] = check(bench)
        except Fault as fault:
            raise AssertionError(f"law {law.name!r}, check {name!r}: {fault}") from None
        except Exception as error:
            first = str(error).partition("\n")[0]
            raise AssertionError(
                f"law {law.name!r}, check {name!r}: the law does not run there; got {type(error).__name__}: {first}; "
                "expected a formula of jax.numpy, with log from jaxscale.law and no branch on values"
            ) from error
    return Report(law.name, done, time.perf_counter() - began)


CHECKS: Mapping[str, Callable[[Bench], str]] = {
    f.__name__: f
    for f in (
        definition, coordinates, float64, values, gradient, views, units, linear, directions, nesting, published,
        prior, recovery,
    )
}  # fmt: skip
