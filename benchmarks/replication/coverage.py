"""Brown et al. 2024, Schaeffer et al. 2025: coverage of repeated sampling, from shares and from counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
from show import Section, data, interval

import jaxscale as js

README = {  # model -> a, b of the table's description, in our signs
    "Pythia 12B": (-4.165, -0.371), "Pythia 6.9B": (-4.346, -0.351), "Pythia 2.8B": (-4.192, -0.339),
    "Pythia 1B": (-5.398, -0.313), "Pythia 410M": (-5.556, -0.287), "Pythia 160M": (-6.678, -0.282),
    "Pythia 70M": (-7.889, -0.192),
}  # fmt: skip
LARGEST_K = 2048


def replicate() -> Section:
    section = Section("coverage_exp_power: MATH problems solved in k samples (Brown et al. 2024)")
    path, counts = data("llm_monkeys_coverage"), data("llm_monkeys_coverage", "problem_counts.csv")
    if path is None or counts is None:
        section.remarks.append("Skipped: JAXSCALE_DATA is not set.")
        return section
    shares = pd.read_csv(path).query("source_file == 'original' and coverage > 0")
    problems = pd.read_csv(counts).query("source_file == 'original'")
    misfit = []
    for seed, (model, (a, b)) in enumerate(README.items()):
        curve = shares[shares.model == model]
        slope, level = np.polyfit(np.log(curve.k_samples), np.log(-np.log(curve.coverage)), 1)
        mine = problems[problems.model == model]
        blocks = independent_blocks(mine.num_samples.to_numpy(), mine.num_correct.to_numpy(), seed=seed)
        runs = js.read_runs(blocks, columns={"k": "k"})
        least = js.fit(runs, "coverage_exp_power", noise="least_squares", method="point")
        fit = js.fit(runs, "coverage_exp_power", noise="binomial")
        posterior = interval(fit, ("a", "b"))
        expected = fit.predict({"k": blocks.k.to_numpy()})["q50"].to_numpy()
        sd = np.sqrt(expected * (1.0 - expected) / blocks.trials)
        misfit.append(float(np.max(np.abs(blocks.solved / blocks.trials - expected) / sd)))
        section.rows.append(
            {
                "model": model,
                "a, b published": f"{a:.3f}, {b:.3f}",
                "a, b log-log, shares": f"{-np.exp(level):.3f}, {slope:.3f}",
                "a, b least squares, blocks": f"{least.point['a']:.3f}, {least.point['b']:.3f}",
                "a, binomial posterior": posterior["a"],
                "b, binomial posterior": posterior["b"],
                "status": fit.status.code,
            }
        )
    section.remarks += [
        "The table's description writes -log c = a k^-b: its a and b are our -a and -b. Its fit is least squares of "
        "ln(-ln c) on ln k, a straight line, done here by numpy.polyfit on all rows of a curve.",
        "Rows of a published curve share their samples, so no error bar can be had from them. independent_blocks "
        f"splits each problem's 10 000 samples into disjoint blocks of k = 1, 2, 4, ..., {LARGEST_K}: given the "
        "problems, the counts at different k are independent, and binomial noise applies. The intervals speak of these "
        "128 problems; other problems of the benchmark would vary more.",
        "The largest misfit of a curve, in binomial standard deviations, by model: "
        f"{', '.join(f'{m:.1f}' for m in misfit)}. Beyond 3 or so the law is not exact at this precision, and fits "
        "differ by what they weigh: the straight line every ln k alike, least squares the large shares, the binomial "
        "the many trials at small k. No interval of a and b covers that.",
    ]
    return section


def independent_blocks(samples: np.ndarray, correct: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """Counts at several k that share no sample.

    Each problem's samples are dealt, in random order, into blocks: for every k = 1, 2, 4, ..., LARGEST_K an equal
    share of what the larger k have left, at least one block. Where c of the n samples are correct, the numbers of
    correct ones in the blocks are multivariate hypergeometric. A block solves its problem with one correct sample.

    Args:
        samples: (problems,) samples drawn of each.
        correct: (problems,) correct ones.
        seed: of the deal.

    Returns:
        Columns k, solved and trials (blocks over all problems).

    Raises:
        ValueError: a problem has fewer samples than one block of every k needs.
    """
    rng = np.random.default_rng(seed)
    sizes = [2**i for i in range(int(np.log2(LARGEST_K)), -1, -1)]
    if samples.min() < sum(sizes):
        raise ValueError(f"a problem has {samples.min()} samples; one block of every k needs {sum(sizes)}")
    solved, trials = dict.fromkeys(sizes, 0), dict.fromkeys(sizes, 0)
    for n, c in zip(samples, correct, strict=True):
        left, dealt = int(n), {}
        for i, k in enumerate(sizes):
            dealt[k] = max(1, left // (len(sizes) - i) // k)
            left -= dealt[k] * k
        blocks = np.repeat(sizes, [dealt[k] for k in sizes])
        hits = rng.multivariate_hypergeometric([*blocks, left], int(c), method="marginals")[:-1]
        for k in sizes:
            solved[k] += int(np.sum(hits[blocks == k] > 0))
            trials[k] += dealt[k]
    return pd.DataFrame([{"k": k, "solved": solved[k], "trials": trials[k]} for k in reversed(sizes)])
