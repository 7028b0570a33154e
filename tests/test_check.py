"""check_law must catch planted mistakes, each by the check that is meant for it."""

import math
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpyro.distributions as dist
import pytest

import jaxscale as js
from jaxscale import registry
from jaxscale.check import CHECKS, Report, check_law
from jaxscale.law import LOSS, PARAMS, TOKENS, Law, Ours, exponent, floor, law, log, relative, term
from jaxscale.priors import Prior
from jaxscale.variables import Response, Variable

OURS = Ours("Hoffmann et al. 2022")


@pytest.fixture(autouse=True)
def no_test_law_stays() -> Iterator[None]:
    """A law registers itself for the whole process, and other tests run through the registry."""
    js.list_laws()
    before = dict(registry._LAWS)
    yield
    registry._LAWS.clear()
    registry._LAWS.update(before)


def made(formula: Callable[..., Any], **changes: Any) -> Law:
    """A law E + A / N^alpha + B / D^beta but for its formula and what is changed."""
    priors = {"E": floor(), "A": term("N", "alpha"), "alpha": exponent(), "B": term("D", "beta"), "beta": exponent()}
    parts = {"inputs": {"N": PARAMS, "D": TOKENS}, "response": LOSS, "priors": priors, "source": OURS}
    formula.__name__ = "planted"
    formula.__doc__ = formula.__doc__ or "L(N, D) = E + A / N^alpha + B / D^beta, with a mistake."
    return law(**(parts | changes))(formula)


def caught(law: Law) -> tuple[str, str]:
    """The check that catches a law, and its sentence."""
    with pytest.raises(AssertionError) as failure:
        check_law(law)
    text = str(failure.value)
    assert text.startswith("law 'planted', check '")
    assert "got" in text
    assert "expected" in text
    return text.split("'")[3], text


def right(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / D**beta


def nonlinear(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / D**beta


def bent(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + (B / D**beta) ** 1.001


def overflows(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + jnp.exp(B / D**beta * 300.0)


def wrong_input(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / N**beta + 1e-3 / D


def forgotten_input(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / N**beta


def forgotten_parameter(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / D**alpha


def negative(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha - B / D**beta


def single(N, D, *, E, A, alpha, B, beta):
    return (E + A / N**alpha + B / D**beta).astype(jnp.float32)


def inner_single(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / D ** jnp.asarray(beta, jnp.float32).astype(jnp.float64)


def no_slope(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / D**beta + jnp.sqrt(jnp.abs(alpha - alpha))


def wrong_slope(N, D, *, E, A, alpha, B, beta):
    return E + A / N ** jax.lax.stop_gradient(alpha) + B / D**beta + 1e-9 * alpha


def absolute(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / (D + 1e9) ** beta


def numpy_log(N, D, *, E, A, alpha, B, beta):
    return E + A * math.exp(-alpha * math.log(float(N[0]))) + B / D**beta


def two_views(N, D, *, E, A, alpha, B, beta):
    return E + A / N**alpha + B / D**beta * (1.0 if hasattr(N, "dtype") else 1.0 + 1e-8)


def nearly(N, D, *, E, A, alpha, B, beta):
    return (E + A / N**alpha + B / D**beta) * (1.0 + 1e-5)


PLANTED: dict[str, tuple[str, Callable[..., Any], dict[str, Any]]] = {
    "a nonlinear 'linear' parameter": ("linear", nonlinear, {"linear": ("E", "A", "beta")}),
    "a coefficient under a power": ("linear", bent, {"linear": ("E", "B")}),
    "overflow": ("values", overflows, {}),
    "a negative loss": ("values", negative, {}),
    "a loss read as a share": ("values", right, {"response": Response("loss", "share", "loss", support="unit")}),
    "a wrong input": ("units", wrong_input, {}),
    "a constant with a unit": ("units", absolute, {}),
    "an input that does nothing": ("gradient", forgotten_input, {}),
    "a parameter that does nothing": ("gradient", forgotten_parameter, {}),
    "a NaN gradient": ("gradient", no_slope, {}),
    "a gradient cut off": ("gradient", wrong_slope, {}),
    "float32 inside": ("gradient", inner_single, {}),
    "float32 out": ("float64", single, {}),
    "Python's mathematics": ("values", numpy_log, {}),
    "another value for the engine": ("views", two_views, {}),
    "a loss said to rise with data": ("directions", right, {"falls": ("N",), "rises": ("D",)}),
    "a law that is not quite the one inside": ("nesting", nearly, {"contains": {"chinchilla": {}}}),
    "a law inside that has other parameters": ("nesting", right, {"contains": {"kaplan_nd": {}}}),
    "a preset outside the response": (
        "published", right, {"published": {"slip": {"E": -1.69, "A": 406.0, "alpha": 0.34, "B": 410.0, "beta": 0.28}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", PLANTED)
def test_catches(mistake):
    check, formula, changes = PLANTED[mistake]
    found, text = caught(made(formula, **changes))
    assert found == check, text


def with_priors(**changes: Any) -> dict[str, Any]:
    usual = {"E": floor(), "A": term("N", "alpha"), "alpha": exponent(), "B": term("D", "beta"), "beta": exponent()}
    return {"priors": usual | changes}


class OneWay(Prior):
    def coordinate(self, value, params, log_centre, scale):
        return value / scale


def test_a_name_of_the_noise_is_refused():
    """It would be overwritten by the noise's own, without a word."""
    with pytest.raises(js.LawError, match="sigma are names of the noise"):
        law(inputs={"N": PARAMS}, response=LOSS, priors={"sigma": floor()}, source=OURS)(lambda N, *, sigma: sigma)


def test_catches_a_coordinate_that_does_not_come_back():
    usual = term("N", "alpha")
    found, text = caught(made(right, **with_priors(A=OneWay(**vars(usual)))))
    assert found == "coordinates", text
    assert "A to come back" in text


def test_catches_a_prior_in_raw_units():
    found, text = caught(made(right, **with_priors(A=Prior(dist.LogNormal(6.0, 0.1), "exp"))))
    assert found == "units", text
    assert "unit of N" in text


def test_catches_a_prior_far_from_any_loss():
    found, text = caught(made(right, **with_priors(B=term("D", "beta", median=1e3))))
    assert found == "prior", text
    assert "N = 1e9" in text


def test_catches_a_formula_without_its_names():
    def curve(N, D, *, E, A, alpha, B, beta):
        """L(N, D) = E + A / N^a + B / D^b."""
        return right(N, D, E=E, A=A, alpha=alpha, B=B, beta=beta)

    found, text = caught(made(curve))
    assert found == "definition"
    assert "alpha, beta" in text


def test_catches_a_step_that_no_run_can_see():
    """The table ends before the step, and the prediction lies behind it."""

    def planted(N, *, E, A, alpha, B, N1):
        """L(N) = E + A / N^alpha + B s(30 log(N / N1)), s being the logistic function."""
        return E + A / N**alpha + B * jax.nn.sigmoid(30.0 * log(N / N1))

    priors = {"E": floor(), "A": term("N", "alpha"), "alpha": exponent(), "B": floor()}
    priors["N1"] = relative("N", median=300.0, spread=0.1)
    found, text = caught(law(inputs={"N": PARAMS}, response=LOSS, priors=priors, source=OURS)(planted))
    assert found == "recovery", text


def test_a_good_law_passes_and_says_what_was_verified():
    report = check_law(made(right, linear=("E", "A", "B"), falls=("N", "D"), contains={"chinchilla": {}}))
    assert isinstance(report, Report)
    assert list(report.checks) == list(CHECKS)
    assert str(report).startswith(f"planted: {len(CHECKS)} checks passed in ")
    assert "linear in the coordinates of E, A, B" in str(report)
    assert "falls with N, D" in str(report)
    assert "contains chinchilla" in str(report)
    assert js.check_law is check_law


def test_a_variable_of_the_users_own():
    """No canonical column, no known centre: the check stands at one, and asks for no other unit."""
    epochs = Variable("epochs", "passes", "passes over the data")

    def planted(e, *, E, A, alpha):
        """L(e) = E + A / e^alpha."""
        return E + A / e**alpha

    priors = {"E": floor(), "A": term("e", "alpha"), "alpha": exponent()}
    parts = {"inputs": {"e": epochs}, "response": LOSS, "priors": priors, "source": OURS}
    report = check_law(law(**parts)(planted))
    assert report.checks["units"] == "no input has units"
    assert pickle.loads(pickle.dumps(report)) == report
