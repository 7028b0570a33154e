"""Special functions of the densities, where XLA's own cost several times as much; of positive float64 numbers."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

HALF_LOG_2PI = 0.9189385332046727


def once[T](computed: T) -> T:
    """What was computed, kept: XLA would compute what it thinks cheap again in every loop that needs it."""
    return jax.lax.optimization_barrier(computed)


# ---- logarithm -----------------------------------------------------------------------------------

LN2 = 0.6931471805599453
MANTISSA = (1 << 52) - 1
ROOT_HALF = int(np.sqrt(0.5).view(np.int64))  # bits; mantissas are taken from there to sqrt(2), about 1
BIAS = 1023 << 52
WHOLE = int(np.float64(2.0**52).view(np.int64))  # an integer below 2^52, put into these bits, is 2^52 more
ATANH = tuple(1.0 / odd for odd in range(21, 1, -2))  # of atanh(s) / s in powers of s^2, highest first, but for 1
SMALLEST = float(np.finfo(np.float64).tiny)


@jax.custom_jvp
def log(x: jax.Array) -> jax.Array:
    """Natural logarithm of x, to 3e-16 of it or of 1; -inf of 0 and NaN below.

    XLA calls the C library's for one number after another on a CPU; this one is vectorised and costs a third. Of
    numbers that are not float64 it is XLA's own.
    """
    x = jnp.asarray(x)
    if x.dtype != jnp.float64:
        return jnp.log(x)
    shifted = jax.lax.bitcast_convert_type(x, jnp.int64) - ROOT_HALF
    near = jax.lax.bitcast_convert_type((shifted & MANTISSA) + ROOT_HALF, jnp.float64)
    exponent = jax.lax.shift_right_logical(shifted + BIAS, jnp.int64(52))
    twos = jax.lax.bitcast_convert_type(exponent | WHOLE, jnp.float64) - (2.0**52 + 1023.0)
    s = (near - 1.0) / (near + 1.0)
    square, series = s * s, 0.0
    for term in ATANH:
        series = (series + term) * square
    value = twos * LN2 + (2.0 * s + 2.0 * s * series)
    beyond = jnp.where(x >= 0, jnp.where(x < 1, -jnp.inf, x), jnp.nan)  # 0, infinity, and no number
    return once(jnp.where((x >= SMALLEST) & (x < jnp.inf), value, beyond))


@log.defjvp
def _(primals, tangents):
    (x,), (along,) = primals, tangents
    return log(x), along / x


# ---- log gamma -----------------------------------------------------------------------------------

STIRLING = ((9, 1 / 1188), (7, -1 / 1680), (5, 1 / 1260), (3, -1 / 360), (1, 1 / 12))  # power of 1/x, and factor


@jax.custom_jvp
def log_gamma(x: jax.Array) -> jax.Array:
    """log Gamma(x) for x > 0, to 1e-12: Stirling's series after eight steps of the recurrence.

    Two logarithms and some products; XLA's own, with the digamma of its slope, costs several times that.
    """
    return _log_gamma_and_slope(x)[0]


@log_gamma.defjvp
def _(primals, tangents):
    value, slope = _log_gamma_and_slope(*primals)
    return value, slope * tangents[0]


def _log_gamma_and_slope(x: jax.Array) -> tuple[jax.Array, jax.Array]:
    product, fall, value, slope = _steps_and_series(x)
    return once((value - log(product), slope - fall))


@jax.custom_jvp
def log_rising(x: jax.Array, k: jax.Array) -> jax.Array:
    """log Gamma(x + k) - log Gamma(x) for x > 0 and k >= 0, to 1e-12, of one logarithm less; k has no slope."""
    return _log_rising_and_slope(x, k)[0]


@log_rising.defjvp
def _(primals, tangents):
    value, slope = _log_rising_and_slope(*primals)
    return value, slope * tangents[0]


def _log_rising_and_slope(x: jax.Array, k: jax.Array) -> tuple[jax.Array, jax.Array]:
    low, high = _steps_and_series(x), _steps_and_series(x + k)
    product, fall, value, slope = (b / a if i == 0 else b - a for i, (a, b) in enumerate(zip(low, high, strict=True)))
    return once((value - log(product), slope - fall))


def _steps_and_series(x: jax.Array) -> tuple[jax.Array, ...]:
    """x (x + 1) ... (x + 7), and its slope over it; log Gamma(x + 8) and its slope.

    The product in pairs from both ends, which differ by constants.
    """
    ends = x * (x + 7.0)
    outer, inner = ends * (ends + 6.0), (ends + 10.0) * (ends + 12.0)
    product = outer * inner
    slope = ((2.0 * ends + 6.0) * inner + outer * (2.0 * ends + 22.0)) * (2.0 * x + 7.0)
    far = x + 8.0
    inverse, series, falls = 1.0 / far, 0.0, 0.0
    square = inverse * inverse
    for power, term in STIRLING:
        series = series * square + term
        falls = falls * square + power * term
    log_far = log(far)
    value = (far - 0.5) * log_far - far + HALF_LOG_2PI + series * inverse
    return product, slope / product, value, log_far - 0.5 * inverse - falls * square


def log_gamma_half_step(z: jax.Array) -> jax.Array:
    """log Gamma(z + 1/2) - log Gamma(z) for z > 0, to 1e-12.

    Stirling's series after eight steps of the recurrence: two logarithms in place of XLA's two log gammas,
    and of the two digammas of their slopes, which took a seventh of a gradient.
    """
    numerator = denominator = jnp.ones_like(z)
    for j in range(8):
        numerator, denominator = numerator * (z + j), denominator * (z + j + 0.5)
    far = z + 8.0
    series = 0.0
    for term in (-31 / 18432, 17 / 14336, -1 / 640, 1 / 192, -1 / 8):
        series = series / (far * far) + term
    return log(numerator / denominator) + 0.5 * log(far) + series / far


# ---- the normal's tail ---------------------------------------------------------------------------

# Of `mills` over t in powers of 2 t - 1, where t = BEND / (BEND + u): Chebyshev interpolation, to 6e-12 for u >= 0.
BEND = 3.5
MILLS = (
    0.2126903072674107, 0.1615890903126102, 0.09012141996643551, 0.03315740764827277, 0.004973666534129748,
    -0.001850340404298521, -0.0009111728415046604, 0.0001270963049755938, 0.0001361952008873808,
    -1.898021304621215e-05, -2.162299435329111e-05, 5.028344552473201e-06, 3.347551582180714e-06,
    -1.221236698477793e-06, -4.141647567322745e-07, 1.649011257476126e-07, 2.782318699039091e-08,
)  # fmt: skip


@jax.custom_jvp
def mills(u: jax.Array) -> jax.Array:
    """Phi(-u) exp(u^2 / 2) of u >= 0, Phi being the normal distribution function; relative error 6e-12.

    The density of a normal plus an exponential, over that of the normal, is this at their distance in sds
    (exponentially modified Gaussian). JAX's log Phi costs several times as much.
    """
    t = BEND / (BEND + u)
    return t * jnp.polyval(jnp.array(MILLS[::-1]), 2.0 * t - 1.0, unroll=len(MILLS))


@mills.defjvp
def _(primals, tangents):
    (u,), (along,) = primals, tangents
    value = mills(u)
    return value, along * (u * value - jnp.exp(-HALF_LOG_2PI))
