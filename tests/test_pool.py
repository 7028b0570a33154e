"""Partial pooling: its density against NumPyro's, recovery of a population, the two ways to it, and its gates."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pandas as pd
import pytest
from numpyro.infer.util import log_density

import jaxscale as js
from jaxscale.batch import tables_of
from jaxscale.errors import ConfigError
from jaxscale.infer import jumps
from jaxscale.infer.pool import _settled, leaning
from jaxscale.infer.population import DOUBT, SPREAD, Joint, Member, begin, flat_of, prior_scales
from jaxscale.infer.reweigh import carried
from jaxscale.noise import get_noise
from jaxscale.pooled import NEW, member_of, shared_lanes
from jaxscale.runtime import float64
from jaxscale.status import Health, Status

LAW, NOISE = "hestness", "normal"
CENTRE = 1e5
TRUE_MU = {"gamma": np.log(0.8), "alpha": np.log(0.5), "beta_g": np.log(0.3)}
TRUE_TAU = {"gamma": 0.15, "alpha": 0.2, "beta_g": 0.15}
GROUPS, RUNS = 14, 10


@pytest.fixture(scope="module")
def population() -> pd.DataFrame:
    """True coordinates of the groups on the log scale; the last one is the new family."""
    rng = np.random.default_rng(11)
    return pd.DataFrame({p: m + TRUE_TAU[p] * rng.standard_normal(GROUPS) for p, m in TRUE_MU.items()})


def truth_of(row: pd.Series) -> dict[str, float]:
    exponent = float(np.exp(row["beta_g"]))
    return {"gamma": float(np.exp(row["gamma"])), "beta_g": -exponent,
            "alpha": float(np.exp(row["alpha"])) * CENTRE**exponent}  # fmt: skip


@pytest.fixture(scope="module")
def runs(population) -> js.Runs:
    """Fourteen groups of ten runs but for the last, which has three small ones."""
    frames = []
    for g, row in population.iterrows():
        m = np.geomspace(1e3, 1e7, RUNS) if g < GROUPS - 1 else np.geomspace(1e3, 1e4, 3)
        table = js.simulate(LAW, truth_of(row), {"m": m}, noise=NOISE, sd=0.01, seed=int(g)).table
        frames.append(table.assign(family=f"f{g:02d}"))
    return js.read_runs(pd.concat(frames, ignore_index=True), group="family")


@pytest.fixture(scope="module")
def pooled(runs) -> js.Pooled:
    """Their joint fit, which must pass."""
    found = js.fit_pooled(runs, LAW, noise=NOISE)
    assert found.status().ok.all(), found.status().status.tolist()
    return found


@pytest.fixture(scope="module")
def many(runs) -> js.Fits:
    """The same groups, each by itself; the last has too few runs."""
    return js.fit_many(runs, LAW, noise=NOISE)


# ---- the density ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts(runs):
    """Member, joint model and lane of four groups, of which alpha is not pooled."""
    with float64():
        law = js.get_law(LAW)
        member = member_of(law, get_noise(NOISE, law.response), ["gamma", "beta_g", "sigma"])
        tables = dict(list(tables_of(runs, law).items())[:4])
        lanes = shared_lanes(member, tables)
        joint = Joint(member, 4)
        packed = jax.tree.map(lambda *leaves: jnp.asarray(np.stack(leaves)), *lanes)
        middle, _ = prior_scales(member)
        u = np.tile(np.asarray(flat_of(member, jnp.asarray(middle))), (4, 1))
        lane, centre, wide = begin(joint, packed, u)
        return member, joint, lane, centre, wide, tables


def by_hand(tables, log_centre, spreads):
    """The same model, written in NumPyro without any of the engine."""

    def model():
        mu, tau = {}, {}
        for name, prior in {"gamma": dist.HalfNormal(2.0), "beta_g": dist.LogNormal(np.log(0.3), 0.7),
                            "sigma": dist.LogNormal(np.log(0.015), 1.6)}.items():  # fmt: skip
            mu[name] = jnp.log(numpyro.sample(f"middle.{name}", prior))
            tau[name] = numpyro.sample(f"tau.{name}", dist.LogNormal(np.log(SPREAD * spreads[name]), DOUBT))
        for g, table in enumerate(tables.values()):
            theta = {p: numpyro.sample(f"{p}.{g}", dist.Normal(mu[p], tau[p])) for p in mu}
            share = numpyro.sample(f"alpha.{g}", dist.LogNormal(np.log(0.5), 1.0))
            exponent = jnp.exp(theta["beta_g"])
            mean = jnp.exp(theta["gamma"]) + share * jnp.exp(-exponent * (np.log(table.x["m"]) - log_centre))
            noise = dist.Normal(jnp.log(mean), jnp.exp(theta["sigma"]))
            numpyro.sample(f"y.{g}", noise, obs=np.log(table.y))

    return model


def test_the_joint_density_is_that_of_a_model_written_by_hand(parts):
    """At several points, and with the Jacobians that the walk's coordinates need, by plain differentiation."""
    member, joint, lane, centre, wide, tables = parts
    with float64():
        _, spread = prior_scales(member)
        spreads = dict(zip([s.param for s in member.sites], spread, strict=True))
        log_centre = np.mean(np.log(np.concatenate([t.x["m"] for t in tables.values()])))
        names = ["beta_g", "gamma", "sigma"]  # in the order of the model
        model = by_hand(tables, log_centre, spreads)
        rng = np.random.default_rng(0)
        apart = lambda v, z: jax.vmap(member.apart)(joint.flat(joint.maps(v, lane), z))  # noqa: E731
        ours, theirs = [], []
        for _ in range(4):
            v = jnp.asarray(centre + wide * rng.standard_normal(len(centre)))
            z = jnp.asarray(rng.standard_normal((4, member.size)))
            theta = np.asarray(apart(v, z))
            sites = {s.param: theta[:, i] for i, s in enumerate(member.sites)}
            values = {f"middle.{p}": jnp.exp(v[k]) for k, p in enumerate(names)}
            values |= {f"tau.{p}": jnp.exp(v[3 + k]) for k, p in enumerate(names)}
            values |= {f"{p}.{g}": sites[p][g] for p in names for g in range(4)}
            values |= {f"alpha.{g}": np.exp(sites["alpha"][g]) for g in range(4)}
            total, _ = log_density(model, (), {}, values)
            slopes = jax.jacfwd(lambda z: apart(v, z).reshape(-1))(z).reshape(theta.size, theta.size)  # noqa: B023
            total = total + jnp.sum(v) + np.sum(sites["alpha"]) + np.linalg.slogdet(slopes)[1]
            ours.append(float(joint.density(v, z, lane)))
            theirs.append(float(total))
    assert np.allclose(ours, theirs, rtol=0, atol=1e-6)


def test_the_maps_of_a_group_are_inverse_to_each_other(parts):
    member, joint, lane, centre, wide, _ = parts
    with float64():
        z = np.random.default_rng(1).standard_normal((4, member.size))
        maps = joint.maps(jnp.asarray(centre + wide), lane)
        assert np.allclose(joint.back(maps, joint.flat(maps, jnp.asarray(z))), z, atol=1e-8)


def test_draws_at_another_centre_carry_their_jacobian():
    """A real coefficient's coordinate stretches with the centre: found again by finite differences."""
    with float64():
        law = js.get_law(LAW).with_priors({"alpha": dist.Normal(1.0, 0.5)})
        member = Member(law, get_noise(NOISE, law.response), (0, 2, 3))
        assert [s.param for s in member.sites] == ["alpha", "beta_g", "gamma", "sigma"]
        own = {"centre": {"m": np.asarray(np.log(1e4))}, "scale": np.asarray(1.0)}
        common = {"centre": {"m": np.asarray(np.log(1e6))}, "scale": np.asarray(1.0)}
        values = np.array([[40.0, -0.3, 0.9, 0.01]])
        theta, drawn = (np.asarray(a)[0] for a in carried(member, values, own, common))

        def at_home(theta):
            exponent = np.exp(theta[1])
            return np.array([theta[0] * 1e6**exponent / 1e4**exponent, *theta[1:]])

        slopes = [(at_home(theta + h) - at_home(theta - h)) / 2e-6 for h in 1e-6 * np.eye(4)]
        home = at_home(theta)
        priors = [
            -0.5 * ((home[0] - 1.0) / 0.5) ** 2 - np.log(0.5),
            -0.5 * ((home[1] - np.log(0.3)) / 0.7) ** 2 - np.log(0.7),
            np.log(2.0) - 0.5 * np.exp(2 * home[2]) / 4.0 - np.log(2.0) + home[2],
            -0.5 * ((home[3] - np.log(0.015)) / 1.6) ** 2 - np.log(1.6),
        ]
        # the exponent is not pooled: its prior is the same at both centres
        expected = sum(priors) - priors[1] - 1.5 * np.log(2 * np.pi) + np.log(abs(np.linalg.det(np.array(slopes))))
    assert np.isclose(home[0], 40.0 / 1e4**0.3)
    assert np.isclose(drawn, expected, atol=1e-6)


# ---- what is found --------------------------------------------------------------------------------


def test_a_simulated_population_is_found(pooled, population):
    table = pooled.population()
    assert list(table.index) == ["alpha", "beta_g", "gamma", "sigma"]
    assert set(table.on) == {"log"}
    shift = float(pooled.frame["centre"]["m"]) - np.log(CENTRE)  # contributions are stated at the groups' own centre
    truth = population.assign(alpha=population.alpha - np.exp(population.beta_g) * shift)
    for p in TRUE_MU:
        sd = pooled.v[:, pooled.params.index(p)].std()
        sign = -1.0 if p == "beta_g" else 1.0
        assert abs(np.log(sign * table.middle_q50[p]) - truth[p].mean()) < 3 * sd, p
        assert table.spread_q05[p] * 0.8 < truth[p].std(ddof=1) < table.spread_q95[p] * 1.25, p
    assert table.middle_q05["sigma"] < 0.01 < table.middle_q95["sigma"]


def test_groups_are_covered(pooled, population):
    """90 % intervals of 14 groups and 3 parameters; those of a group hang together, so three standard errors are .2."""
    summary = pooled.summary().set_index(["group", "parameter"])
    inside = [
        summary.q05[f"f{g:02d}", p] <= value <= summary.q95[f"f{g:02d}", p]
        for g, row in population.iterrows()
        for p, value in truth_of(row).items()
    ]
    assert np.mean(inside) >= 0.7


def test_a_pooled_exponent_is_narrower_than_one_by_itself(pooled, many):
    """In most groups of ten runs (the sd also follows where the exponent comes to lie), by a tenth in the middle."""
    together = pooled.summary().set_index(["group", "parameter"]).sd.xs("beta_g", level="parameter")
    alone = many.summary().set_index(["fit", "parameter"]).sd.xs("beta_g", level="parameter").dropna()
    ratio = together[alone.index] / alone
    assert len(ratio) == GROUPS - 1
    assert (ratio < 1.0).mean() > 2 / 3
    assert ratio.median() < 0.9


def test_jumps_visit_modes_as_often_as_they_weigh():
    """Two narrow modes far apart, found in equal number by the draws the mixture is fitted to, weigh 1 to 4."""
    centres, sd = np.array([[-30.0, 0.0], [30.0, 5.0]]), np.array([[1.0, 0.5], [0.2, 2.0]])
    rng = np.random.default_rng(0)
    found = np.concatenate([c + s * rng.standard_normal((200, 2)) for c, s in zip(centres, sd, strict=True)])

    def density(x):  # (chains, groups)
        away = (x[..., None, :] - centres[None, None]) / sd[None, None]
        log_p = jnp.log(jnp.asarray([0.2, 0.8])) - jnp.log(sd).sum(axis=-1)
        return jax.scipy.special.logsumexp(log_p[None, None] - 0.5 * (away**2).sum(axis=-1), axis=-1)

    with float64():
        mixture = jumps.fitted(np.stack([found, found]))
        start = jnp.tile(jnp.asarray(centres), (4, 1, 1)).reshape(8, 1, 2).repeat(2, axis=1)
        step = jax.jit(lambda x, key: (jumps.jump(density, x, mixture, key),) * 2)
        _, x = jax.lax.scan(step, start, jax.random.split(jax.random.key(0), 1000))
    x = np.asarray(x)[50:]
    second = x[..., 0] > 0
    assert np.abs(second.mean(axis=(0, 1)) - 0.8).max() < 0.02
    assert np.abs(x[second].std(axis=0) - sd[1]).max() < 0.05 * 2.0
    assert (second.mean(axis=0) < 0.95).all(), "every chain crosses"


def test_three_runs_of_a_new_family_are_enough_for_a_forecast(pooled, population):
    """Three decades beyond them; the interval holds the truth and is far narrower than the population's."""
    truth = js.get_law(LAW)(1e7, **truth_of(population.iloc[-1]))
    table = pooled.predict({"m": 1e7}, new_group=True).set_index("group")
    last, new = table.loc[f"f{GROUPS - 1:02d}"], table.loc[NEW]
    assert last.q05 < truth < last.q95
    assert last.sd < 0.7 * new.sd
    assert new.q05 < np.exp(TRUE_MU["gamma"]) + 0.13 < new.q95


def test_fits_pooled_by_weights_agree_with_the_joint_fit(pooled, many, runs):
    """Two algorithms with nothing in common but the model."""
    weighed = many.pool()
    assert weighed.status().ok.all(), weighed.status().status.tolist()
    for k in range(pooled.v.shape[1]):
        one, other = np.log(pooled.v[:, k]) if k >= 4 else pooled.v[:, k], weighed.v[:, k]
        other = np.log(other) if k >= 4 else other
        assert abs(one.mean() - other.mean()) < 0.25 * one.std(), k
        assert 0.8 < other.std() / one.std() < 1.25, k
    one, other = (p.predict({"m": 1e8}) for p in (pooled, weighed))
    assert (np.abs(one["mean"] - other["mean"]) < 0.25 * one.sd).all()
    assert (other.sd / one.sd).between(0.8, 1.25).all()


def test_a_family_is_chosen_by_a_mapping(many, runs):
    weighed = many.pool(by=dict.fromkeys(list(many)[:6], "old"), tables=runs, params=["beta_g"])
    assert weighed.ids == tuple(list(many)[:6])
    assert weighed.params == ("beta_g",)


# ---- gates and errors -----------------------------------------------------------------------------


def test_what_has_not_converged_is_not_shown(pooled):
    bad = Status(False, "not_converged", "Not converged: R-hat 1.2.")
    one = dataclasses.replace(pooled, statuses={**pooled.statuses, "f00": bad})
    assert one.summary().set_index("group").loc["f00"].drop(columns="parameter").isna().all(axis=None)
    assert one.predict({"m": 1e7}).set_index("group").loc["f00"].isna().all()
    with pytest.raises(ValueError, match=r"R-hat 1\.2"):
        one.draws("f00")
    none = dataclasses.replace(pooled, population_status=bad)
    assert none.population().drop(columns="on").isna().all(axis=None)
    assert none.predict({"m": 1e7}, new_group=True).set_index("group").loc[NEW].isna().all()


def test_a_group_leans_on_the_population():
    good = Health("HMC", 1.001, 900.0, 900.0, 0, 0.9)
    assert leaning(good, good).ok
    said = leaning(good, dataclasses.replace(good, r_hat=1.05))
    assert not said.ok
    assert "population" in str(said)
    assert "R-hat 1.050" in str(said)
    assert _settled(dataclasses.replace(good, divergences=3))  # shorter steps, and not longer walks
    assert not _settled(dataclasses.replace(good, divergences=3, r_hat=1.05))
    assert "3 divergent" in str(leaning(dataclasses.replace(good, divergences=3), good))


def test_errors_say_what_there_is(runs, many):
    groups = runs.groups()
    with pytest.raises(ConfigError, match="'gama'; the free parameters of hestness under normal are alpha"):
        js.fit_pooled(runs, LAW, noise=NOISE, params=["gama"])
    with pytest.raises(ConfigError, match="at least two groups"):
        js.fit_pooled({"one": groups["f00"]}, LAW)
    with pytest.raises(ConfigError, match="no posterior"):
        js.fit_pooled(runs, LAW, noise="huber")
    with pytest.raises(ConfigError, match="2 families"):
        many.pool(by=lambda fit: fit[-1] > "5", tables=runs)
    with pytest.raises(ConfigError, match="tables"):
        dataclasses.replace(many, tables=None).pool()
