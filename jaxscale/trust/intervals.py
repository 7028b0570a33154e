"""Three intervals of every quantity, found in three ways that lean on different assumptions, side by side."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy.interpolate import CubicSpline
from scipy.special import ndtri

from jaxscale.api import as_runs, fit
from jaxscale.batch import Lane, keys_of, lane_of, rows_for, table_of
from jaxscale.errors import ConfigError
from jaxscale.forecast import curves, inputs_at
from jaxscale.infer import cascade
from jaxscale.infer.bootstrap import AT_ONCE, NEAR, REACHED
from jaxscale.infer.point import CONVERGED
from jaxscale.law import Law, get_law, list_laws
from jaxscale.model import Model
from jaxscale.noise import Checkpoints, Frontier, Noise, get_noise
from jaxscale.noise.base import Scattered
from jaxscale.progress import telling
from jaxscale.result import Fit
from jaxscale.runs import IDENTITY, Runs
from jaxscale.runtime import at_the_door
from jaxscale.trust.influence import LEAST_CURVATURE
from jaxscale.trust.walks import Asked, free_places, logged, programs

KINDS = ("posterior", "profile", "bootstrap")
COLUMNS = ("estimate", *(f"{kind}_{end}" for kind in KINDS for end in ("low", "high")), "agree")
FEW = 12  # clusters, below which signs alone make too few different tables (Webb 2023)
SIGNS = np.array([-1.0, 1.0])
WEBB = np.sqrt([0.5, 1.0, 1.5])
RANK = 1e-8  # of slopes, relative to the largest: smaller ones are none
LEAST_FREE = 0.1  # of a direction of a cluster's residuals: what the fit leaves it, where it leaves less
SHARED = 0.5  # of the longer of two intervals: what the shorter must cover of it for the two to agree


@at_the_door
def intervals(
    runs: Runs | Any,
    law: str | Law = "chinchilla",
    at: Mapping[str, Any] | pd.DataFrame | None = None,
    noise: str | Noise | None = None,
    cluster: str | None = None,
    level: float = 0.9,
    draws: int = 400,
    seed: int = 0,
    posterior: Fit | None = None,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Posterior, profile and wild cluster bootstrap of each parameter of a law and of its curve.

    The posterior believes law, noise and priors. The profile is of the posterior's log density over the engine's flat
    vector, so it is a likelihood penalised by the priors: the largest density with the quantity held, cut where it is
    chi-squared(1) / 2 below the mode's. A likelihood without priors has no maximum in many of these tables. The
    bootstrap doubts that rows are independent and scatter alike: residuals at the mode, corrected for leverage, keep
    their sizes, all those of a cluster take one random sign (six weights by Webb where clusters are few), and the mode
    is found again; its interval is between quantiles of these modes. Few clusters, say under ten, show little of their
    own spread.

    Args:
        runs: a Runs, a path or a DataFrame.
        law, noise: as in `fit`.
        at: law inputs, as in `Fit.predict`; the curve there believes the law.
        cluster: the column of what shares an error; by default the one that names runs, else each row by itself. A
            column of the table, as `Runs.table` holds it.
        level: probability that each interval should hold the truth.
        draws: bootstrap tables.
        seed: of every random draw.
        posterior: a fit of these runs, where there is one; its law, priors and noise are used.
        progress: show a line while working; by default where stderr is a terminal.

    Returns:
        Indexed by quantity, each free parameter of the law, then "curve", or "curve:0" and so on where `at` has several
        points: estimate, at the mode; posterior_low, posterior_high, profile_low, profile_high, bootstrap_low,
        bootstrap_high; agree, whether any two of the three share more than half of the longer (of logarithms, for what
        is positive). In the law's units. NaN for what could not be found: all intervals where the fit was refused; the
        end of a profile that no cut was met on; the bootstrap where residuals have no signs to turn (counts, grades,
        beta scores, a frontier), of one cluster, or where fewer than 95 % of its tables reached their optimum. An end
        that is NaN does not agree, but a kind that has no intervals at all is left out. `attrs` has status, level,
        clusters, draws and failed, the tables that did not reach it and are left out.

    Raises:
        ConfigError: a level outside (0, 1), too few draws, no such column, a fit of other runs or without a posterior,
            a saved fit whose priors were not the law's, or what `fit` raises.
        DataError: as `fit`, or an input of `at` is missing or not positive.
    """
    runs = as_runs(runs)
    if not 0.0 < level < 1.0:
        raise ConfigError(f"level is a probability between 0 and 1, such as 0.9; got {level}")
    if draws < (least := round(4.0 / (1.0 - level))):
        raise ConfigError(f"intervals of level {level} want at least {least} draws; got {draws}")
    clusters = _clusters(runs, cluster)
    if posterior is None:
        law = get_law(law)
        if noise != "auto" and not get_noise(noise, law.response).bayesian:
            raise ConfigError(f"noise {noise!r} has no posterior to set beside the others; take another")
        posterior = fit(runs, law, noise=noise, seed=seed, progress=progress)
    _checked(posterior, runs)
    asked = inputs_at(posterior.law, at)[0] if at is not None else _nowhere(posterior.law)
    what = Asked(Model(posterior.law, posterior.noise), asked)
    table = pd.DataFrame(np.nan, index=pd.Index(what.names, name="quantity"), columns=list(COLUMNS))
    table["agree"] = False
    table.attrs |= {"status": str(posterior.status), "level": level, "clusters": int(clusters.max()) + 1,
                    "draws": draws, "failed": 0}  # fmt: skip
    if not posterior.has_draws:
        return table
    with telling(progress) as say:
        say("searching for the mode")
        kept = table_of(runs, posterior.law, posterior.noise)
        lane = lane_of(kept, posterior.noise, rows_for(len(kept)))
        mode = cascade.points(what.model, [lane], keys_of(posterior.about["seed"], ["fit"]))
        table["estimate"] = estimate = np.asarray(programs(what.model).values(mode.u, lane, what.at))[0]
        found = {"posterior": _of_draws(_posterior(what, posterior), level)}
        if mode.decrement[0] < CONVERGED:  # both others start from the mode, so they need one
            say("walking profiles")
            found["profile"] = _profiles(what, lane, mode.u[0], mode.hessian[0], estimate, level)
            say(f"bootstrap of {draws} tables")
            found["bootstrap"], table.attrs["failed"] = _wild(what, lane, mode.u[0], clusters, level, draws, seed)
    for kind, ends in found.items():
        table[f"{kind}_low"], table[f"{kind}_high"] = ends
    table["agree"] = _agree(what.model, table)
    return table


def _checked(one: Fit, runs: Runs) -> None:
    """Refuse a fit that the other two intervals could not be set beside."""
    if one.about.get("content_hash") != runs.content_hash:
        raise ConfigError("posterior is a fit of other runs; give the fit of these, or none to have one made")
    if not one.noise.bayesian or one.about["method"] in ("point", "bootstrap"):
        raise ConfigError(
            f"posterior is a {one.about['method']} fit with noise {one.noise.name!r}, which has no posterior; "
            "give one that has, or none to have one made"
        )
    if one.about["priors"] and any(one.law is law for law in list_laws()):
        names = ", ".join(one.about["priors"])
        raise ConfigError(
            f"posterior was read from a file, which holds no priors, and had its own of {names}; fit again"
        )


def _posterior(what: Asked, one: Fit) -> np.ndarray:
    drawn = one.draws()
    params = np.stack([drawn[what.model.params[i]] for i in free_places(what.model)], axis=-1)
    return np.concatenate([params, curves(what.model.law, what.inputs, drawn)], axis=-1) if what.points else params


def _of_draws(values: np.ndarray, level: float) -> np.ndarray:
    """(draws, quantities) -> (2, quantities), equal tails."""
    return np.quantile(values, [0.5 - 0.5 * level, 0.5 + 0.5 * level], axis=0)


def _profiles(
    what: Asked, lane: Lane, u: np.ndarray, hessian: np.ndarray, estimate: np.ndarray, level: float
) -> np.ndarray:
    """(2, quantities): where the profile of each crosses the cut on either side."""
    curvature, axes = np.linalg.eigh(hessian)
    inverse = (axes / np.maximum(curvature, LEAST_CURVATURE)) @ axes.T
    count = len(estimate)
    index, side = np.repeat(np.arange(count), 2), np.tile([-1.0, 1.0], count)
    walks = [np.asarray(a) for a in programs(what.model).profile(lane, u, inverse, what.at, index, side)]
    limit, ends = float(ndtri(0.5 + 0.5 * level)), np.full((2, count), np.nan)
    positive = logged(what.model, count)
    for i in range(count):
        # the signed root of the fall is near a straight line; a walk ends where it fails or the density rises again
        roots, places = [0.0], [np.log(estimate[i]) if positive[i] else estimate[i]]
        for sign, place, fall, left in zip((-1, 1), *(w[2 * i : 2 * i + 2] for w in walks), strict=True):
            root = np.sqrt(2.0 * np.maximum(fall, 0.0))
            good = np.cumprod((left < CONVERGED) & (np.diff(root, prepend=0.0) > 0.0)).astype(bool)
            roots = [*roots, *root[good]] if sign > 0 else [*-root[good][::-1], *roots]
            places = [*places, *place[good]] if sign > 0 else [*place[good][::-1], *places]
        reached = [roots[0] <= -limit, roots[-1] >= limit]
        if any(reached):
            ends[:, i] = np.where(reached, CubicSpline(roots, places)([-limit, limit]), np.nan)
    return np.where(positive, np.exp(ends), ends)


def _wild(
    what: Asked, lane: Lane, u: np.ndarray, clusters: np.ndarray, level: float, draws: int, seed: int
) -> tuple[np.ndarray, int]:
    """(2, quantities) of the wild cluster bootstrap, and how many tables failed."""
    nothing = np.full((2, len(what.names)), np.nan)
    noise = what.model.noise
    if not isinstance(noise, Scattered | Checkpoints) or isinstance(noise, Frontier):
        return nothing, 0
    n, held, run = len(clusters), int(clusters.max()) + 1, programs(what.model)
    if held < 2:
        return nothing, 0
    middle, slopes = (np.asarray(a)[:n] for a in run.middle(u, lane))
    residual = lane["y"][:n] - middle
    errors = _errors(residual, slopes, clusters)
    weights = SIGNS if held >= FEW else np.concatenate([-WEBB, WEBB])
    drawn = np.random.default_rng(seed).choice(weights, (draws, held))[:, clusters]
    shifts = np.pad(drawn * errors - residual, ((0, 0), (0, len(lane["w"]) - n)))
    found, left = [], []
    for first in range(0, draws, AT_ONCE):
        some = shifts[np.minimum(np.arange(first, first + AT_ONCE), draws - 1)]
        ends, decrement = run.wild(lane, u, some)
        found.append(np.asarray(run.values(ends, lane, what.at)))
        left.append(np.asarray(decrement))
    values, reached = np.concatenate(found)[:draws], np.concatenate(left)[:draws] < NEAR
    failed = int(np.sum(~reached))
    return (_of_draws(values[reached], level) if reached.mean() >= REACHED else nothing), failed


def _errors(residual: np.ndarray, slopes: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """(n,) residuals, made as large as errors: a fit bends towards its rows, the more so the more leverage they have.

    Each cluster's are multiplied by (I - H)^(-1/2), H being its block of the hat matrix (Bell & McCaffrey 2002).
    """
    axes, size, _ = np.linalg.svd(slopes, full_matrices=False)
    axes, errors = axes[:, size > RANK * size[0]], residual.copy()
    for rows in (clusters == c for c in range(clusters.max() + 1)):
        along, share, _ = np.linalg.svd(axes[rows], full_matrices=False)
        more = 1.0 / np.sqrt(np.maximum(1.0 - share**2, LEAST_FREE)) - 1.0
        errors[rows] += along @ (more * (along.T @ residual[rows]))
    return errors


def _agree(model: Model, table: pd.DataFrame) -> np.ndarray:
    """(quantities,) whether every two intervals share more than SHARED of the longer: a narrow one inside a wide one
    does not agree with it, though all of it lies there."""
    ends = np.stack([table[[f"{kind}_{end}" for kind in KINDS]].to_numpy(float) for end in ("low", "high")])
    made = np.isfinite(ends).any(axis=(0, 1))
    positive = logged(model, len(table))[:, None]
    low, high = np.where(positive, np.log(np.where(positive, ends, 1.0)), ends)[:, :, made]
    pairs = list(itertools.combinations(range(made.sum()), 2))
    shared = [np.minimum(high[:, i], high[:, j]) - np.maximum(low[:, i], low[:, j]) for i, j in pairs]
    longer = [np.maximum((high - low)[:, i], (high - low)[:, j]) for i, j in pairs]
    agreed = [one > SHARED * other for one, other in zip(shared, longer, strict=True)]  # NaN compares false
    return np.all(agreed, axis=0) if pairs else np.zeros(len(table), bool)


def _clusters(runs: Runs, column: str | None) -> np.ndarray:
    """(n,) number of each row's cluster."""
    if column is None:
        there = [c for c in IDENTITY if c in runs.table]
        repeats = [c for c in there if runs.table[c].duplicated().any()]
        column = runs.columns.get("run") or next(iter(repeats), None)
        if column not in runs.table:
            return np.arange(len(runs))
    elif column not in runs.table:
        has = ", ".join(str(c) for c in runs.table)
        raise ConfigError(f"no column is called {column!r} to cluster by; the table has {has}")
    return np.unique(runs.table[column].astype(object).map(str).to_numpy(str), return_inverse=True)[1]


def _nowhere(law: Law) -> dict[str, np.ndarray]:
    """Inputs of no points."""
    return {s: np.zeros((0, v.length) if v.length else 0) for s, v in law.inputs.items()}
