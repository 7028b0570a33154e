"""Configuration files: what they may say, and how they answer a slip."""

from __future__ import annotations

import re
from pathlib import Path

import numpyro.distributions as dist
import pytest

from jaxscale.config import BatchFile, FitFile, PlanFile, settle
from jaxscale.errors import ConfigError
from jaxscale.law import get_law

CONFIGS = Path(__file__).parents[1] / "configs"


def write(folder: Path, text: str) -> Path:
    path = folder / "run.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["quickstart", "chinchilla_replication"])
def test_examples_of_fits_are_valid(name):
    settled = settle(FitFile, CONFIGS / f"{name}.yaml", {})
    assert settled.table
    assert get_law(settled.law).name == "chinchilla"


def test_every_example_is_tested():
    assert {p.stem for p in CONFIGS.glob("*.yaml")} == {"quickstart", "chinchilla_replication", "plan", "batch"}


def test_the_example_of_a_batch_is_valid():
    settled = settle(BatchFile, CONFIGS / "batch.yaml", {})
    assert get_law(settled.law).name


def uncommented(text: str) -> str:
    """An example with its commented settings switched on."""
    keys = "|".join(PlanFile.model_fields)
    setting = re.compile(rf"# (?=(?:{keys}):|  (?!jaxscale)[\w <>]+: )")
    return "\n".join(setting.sub("", line, count=1) if setting.match(line) else line for line in text.splitlines())


def test_what_the_examples_leave_commented_is_valid_too(tmp_path):
    settled = settle(FitFile, write(tmp_path, uncommented((CONFIGS / "quickstart.yaml").read_text())), {})
    unset = set(FitFile.model_fields) - settled.model_fields_set
    assert not unset, "quickstart.yaml shows every key of a fit"
    assert set(settled.priors) == {"alpha", "beta"}
    planned = settle(PlanFile, write(tmp_path, uncommented((CONFIGS / "plan.yaml").read_text())), {})
    assert (planned.serve_tokens, planned.unique_tokens) == (2e12, 6e11)


def test_the_replication_is_what_they_did():
    settled = settle(FitFile, CONFIGS / "chinchilla_replication.yaml", {})
    assert (settled.table, settled.where) == ("chinchilla_epoch", "excluded_by_besiroglu == 0")
    assert (settled.noise, settled.method) == ("huber", "bootstrap")


def test_the_plan_example():
    settled = settle(PlanFile, CONFIGS / "plan.yaml", {})
    assert settled.budget == 5.76e23  # YAML reads this spelling as a text


def test_options_override_the_file_and_add_to_its_mappings(tmp_path):
    path = write(tmp_path, "table: a.csv\nseed: 3\ncolumns: {N: size, D: tokens}\n")
    settled = settle(FitFile, path, {"seed": 4, "law": None, "columns": {"N": "params"}})
    assert (settled.seed, settled.law, settled.table) == (4, "chinchilla", "a.csv")
    assert settled.columns == {"N": "params", "D": "tokens"}


def test_amounts_as_people_write_them(tmp_path):
    path = write(tmp_path, "budget: 5.76e23\nserve_tokens: 2T\nunique_tokens: 600B\n")
    settled = settle(PlanFile, path, {})
    assert (settled.budget, settled.serve_tokens, settled.unique_tokens) == (5.76e23, 2e12, 6e11)


def test_priors():
    settled = settle(FitFile, None, {"priors": {"alpha": 0.34, "beta": {"median": 0.35, "spread": 0.2}}})
    made = settled.prior_overrides(get_law("chinchilla"))
    assert made["alpha"] == 0.34
    assert isinstance(made["beta"], dist.LogNormal)
    assert float(made["beta"].icdf(0.5)) == pytest.approx(0.35, rel=1e-5)


def test_a_log_normal_prior_does_not_suit_a_share():
    settled = settle(FitFile, None, {"priors": {"R0": {"median": 0.1, "spread": 0.5}}})
    with pytest.raises(ConfigError, match=r"R0.*between 0 and 1"):
        settled.prior_overrides(get_law("rl_sigmoid"))


WRONG = {
    "unknown key": ("tabel: x.csv\n", ["tabel", "did you mean 'table'"]),
    "unknown part of a prior": ("priors: {alpha: {medain: 1, spread: 1}}\n", ["alpha", "medain", "median"]),
    "wrong kind": ("seed: many\n", ["seed", "'many'", "integer"]),
    "truth for a number": ("seed: true\n", ["seed", "True", "integer"]),
    "list for a mapping": ("columns: [N, D]\n", ["columns", "dictionary"]),
    "number for a name": ("columns: {N: 3}\n", ["columns.N", "3", "string"]),
    "too few draws": ("draws: 10\n", ["draws", "10", "100"]),
    "twice": ("law: gadre\nlaw: chinchilla\n", ["'law' stands twice"]),
    "not YAML": ("law: [\n", ["not a YAML file"]),
    "a sentence": ("fit my table please\n", ["key: value"]),
    "nothing": ("", ["nothing", "key: value"]),
    "a prior in words": ("priors: {alpha: large}\n", ["priors.alpha", "'large'", "number"]),
}


@pytest.mark.parametrize("name", WRONG)
def test_slips_name_file_key_got_and_expected(tmp_path, name):
    text, wanted = WRONG[name]
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        settle(FitFile, path, {})
    said = str(caught.value)
    assert str(path) in said
    assert all(w in said for w in wanted), said


def test_a_slip_in_an_option_names_the_option(tmp_path):
    path = write(tmp_path, "seed: 1\n")
    with pytest.raises(ConfigError, match="option --draws: got 3"):
        settle(FitFile, path, {"draws": 3})


def test_a_plan_needs_a_budget(tmp_path):
    with pytest.raises(ConfigError, match=r"run\.yaml: key 'budget': missing"):
        settle(PlanFile, write(tmp_path, "fit: fit.nc\n"), {})
    with pytest.raises(ConfigError, match="option --budget: missing"):
        settle(PlanFile, None, {})


def test_a_plan_can_ask_for_a_target_or_a_rule_instead(tmp_path):
    text = "fit: fit.nc\ntarget: 2.0\nlimits: {N: 1B..8B, D: [1e9, 2T]}\nratio: 20..\nat: {Pa: Pw, U: 600B}\n"
    asked = settle(PlanFile, write(tmp_path, text), {"limits": {"D": "5T"}}).question()
    assert asked["budget"] is None
    assert asked["limits"] == {"N": (1e9, 8e9), "D": (None, 5e12)}
    assert (asked["ratio"], asked["at"]) == ((20.0, None), {"Pa": "Pw", "U": 6e11})
    assert asked["shapes"] is None


@pytest.mark.parametrize("budget", [".inf", ".nan", "-1.0e+20", "0"])
def test_a_budget_is_a_positive_number(tmp_path, budget):
    with pytest.raises(ConfigError, match="budget"):
        settle(PlanFile, write(tmp_path, f"budget: {budget}\n"), {})


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot read"):
        settle(FitFile, tmp_path / "none.yaml", {})


def test_a_file_that_is_no_text(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_bytes(b"\xff\xfe\x00law")
    with pytest.raises(ConfigError, match="not a YAML file"):
        settle(FitFile, path, {})
