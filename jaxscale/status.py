"""Whether a fit may be believed, as a sentence; and the gate that decides it."""

from __future__ import annotations

from dataclasses import dataclass

R_HAT = 1.01
ESS = 400.0
EBFMI = 0.3
# At 0.5 the weights lose their variance; from 0.45 on, draws of two bent posteriors had half the width of NUTS's.
PARETO_K = 0.4
# A forecast's score is of thousands of draws together: weights with a mean will do.
ROUGH_K, ROUGH_ESS = 1.0, 100.0


@dataclass(frozen=True)
class Status:
    """`ok` says whether intervals may be shown; str() is the reason, as a sentence.

    Attributes:
        ok: the fit passed its gate.
        code: one word for programs: "converged", "not_converged", "cannot_be_identified", "too_few_runs",
            "prior_dominated", "point".
        sentence: for people.
        fix: what would help; empty where nothing is wrong.
    """

    ok: bool
    code: str
    sentence: str
    fix: str = ""

    def __str__(self) -> str:
        return f"{self.sentence} {self.fix}".rstrip()


@dataclass(frozen=True)
class Health:
    """The numbers behind a status: the worst over a fit's coordinates.

    Draws by importance sampling have an `ess` of their weights and a `pareto_k`; draws of chains have
    the others. NaN where a number does not apply.
    """

    method: str
    r_hat: float = float("nan")
    ess_bulk: float = float("nan")
    ess_tail: float = float("nan")
    divergences: int = 0
    ebfmi: float = float("nan")
    pareto_k: float = float("nan")
    ess_weights: float = float("nan")
    finite: bool = True

    @property
    def weighted(self) -> bool:
        """Whether the draws are importance sampling's."""
        return self.method.endswith("importance")

    @property
    def led_by_gradients(self) -> bool:
        """Whether the draws are of chains that nothing else moves, for which a broken trajectory bodes ill."""
        return self.r_hat == self.r_hat and not self.method.endswith("with jumps")

    @property
    def failures(self) -> list[str]:
        """What keeps the draws from being believed; empty where nothing does."""
        found = [] if self.finite else ["draws that are not finite"]
        if self.weighted:
            found += [] if self.pareto_k < PARETO_K else [f"Pareto k {self.pareto_k:.2f} (below {PARETO_K} needed)"]
            found += (
                [] if self.ess_weights > ESS else [f"{self.ess_weights:.0f} effective draws (over {ESS:.0f} needed)"]
            )
            return found
        found += [] if self.r_hat < R_HAT else [f"R-hat {self.r_hat:.3f} (below {R_HAT} needed)"]
        least = min(self.ess_bulk, self.ess_tail)
        found += [] if least > ESS else [f"{least:.0f} effective draws (over {ESS:.0f} needed)"]
        found += [] if self.divergences == 0 else [f"{self.divergences} divergent steps"]
        found += [] if self.ebfmi > EBFMI else [f"E-BFMI {self.ebfmi:.2f} (over {EBFMI} needed)"]
        return found

    @property
    def rough(self) -> bool:
        """Whether the draws, which have not passed, are good enough to score a forecast."""
        usable = self.weighted and self.finite and self.pareto_k < ROUGH_K and self.ess_weights > ROUGH_ESS
        return usable and bool(self.failures)

    def record(self) -> Status:
        """As `status`, for draws that only score a forecast."""
        if not self.rough:
            return self.status()
        numbers = f"{self.method}: Pareto k {self.pareto_k:.2f}, {self.ess_weights:.0f} effective draws"
        return Status(True, "rough", f"Good enough to score a forecast, not for an interval ({numbers}).")

    def status(self) -> Status:
        """The gate of GUARANTEES row 7."""
        if failures := self.failures:
            return Status(
                False,
                "not_converged",
                f"Not converged: the posterior was tried up to {self.method} and still shows {', '.join(failures)}.",
                "Intervals would not be right. Runs that vary the inputs more, or firmer priors, would help.",
            )
        if self.weighted:
            numbers = f"Pareto k {self.pareto_k:.2f}, {self.ess_weights:.0f} effective draws"
        else:
            least = min(self.ess_bulk, self.ess_tail)
            numbers = f"R-hat {self.r_hat:.3f}, {least:.0f} effective draws"
            numbers += ", no divergences" if self.led_by_gradients else ""
        return Status(True, "converged", f"Converged ({self.method}): {numbers}.")
