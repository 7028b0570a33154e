"""Do the engine's posteriors mean what they say? Calibration, coverage, and bugs that must be seen.

    python benchmarks/calibration/run.py --sbc [--law NAME ...] [--noise NAME ...] [--simulations 200] [--workers 1]
    python benchmarks/calibration/run.py --coverage [--scenario NAME ...] [--noise NAME ...] [--simulations 1000]
    python benchmarks/calibration/run.py --bugs [--simulations 4000]

`--sbc` is simulation-based calibration (sbc.py) of every law under its default noise, or of those named. `--coverage`
fits worlds that are not the noise that is fitted (coverage.py), and says how often 90 % intervals hold the truth.
`--bugs` plants eight errors in the engine (bugs.py), each in the short version's setting, and says how often a short
study of SHORT simulations catches them. Simulations are kept in the cache folder in blocks of 200: a rerun does what
is missing, and a longer study begins with a shorter one's. After a change of the engine give another folder. Writes
results.md and pictures.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import platformdirs

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import bugs
import coverage
import sbc
import show
from bugs import BUGS
from scenarios import SCENARIOS
from store import Job, compute, in_processes, read

import jaxscale as js
from jaxscale.errors import ConfigError
from jaxscale.noise import get_noise

HERE = Path(__file__).parent


def main() -> None:
    """Compute what is asked for, in processes of their own, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_mutually_exclusive_group(required=True)
    for kind in ("sbc", "coverage", "bugs"):
        kinds.add_argument(f"--{kind}", action="store_true")
    kinds.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    parser.add_argument("--law", nargs="*", default=None, help="some laws; all by default")
    parser.add_argument("--noise", nargs="*", default=None, help="some noises; by default the law's or the scenario's")
    parser.add_argument("--scenario", nargs="*", default=list(SCENARIOS), help="some worlds; all by default")
    parser.add_argument("--simulations", type=int, default=None, help="200, of coverage 1000, of bugs 4000")
    parser.add_argument("--workers", type=int, default=1, help="processes at once")
    parser.add_argument("--cache", type=Path, default=Path(platformdirs.user_cache_dir("jaxscale")) / "calibration")
    parser.add_argument("--until", type=float, default=float("inf"), help="seconds after which nothing is begun")
    parser.add_argument("--here", type=Path, default=HERE, help="where the page and the pictures go")
    options = parser.parse_args()
    if options.one:
        _compute(options.one[0], tuple(options.one[1:]), options.simulations, options.cache)
    elif options.sbc:
        _sbc(options)
    elif options.coverage:
        _coverage(options)
    else:
        _bugs(options)


def _sbc(options: argparse.Namespace) -> None:
    count = options.simulations or 200
    jobs = {}
    for law in options.law or [law.name for law in js.list_laws()]:
        for noise in options.noise or ["default"]:
            setting = _setting(law, noise)
            if setting is not None:
                jobs[f"{law}, {noise}" if noise != "default" else law] = _sbc_job(law, noise)
    left = in_processes(list(jobs.values()), count, options.cache, options.workers, options.until)
    found = {name: read(job, count, options.cache) for name, job in jobs.items()}
    done = {name: sbc.together(kept) for name, kept in found.items() if kept}
    cost = {name: sum(block["said"]["cpu_s"] for block in kept) for name, kept in found.items()}
    show.sbc(done, cost, left, count, options.here)


def _setting(law: str, noise: str) -> sbc.Setting | None:
    """What is simulated; None where the noise cannot describe the law's response."""
    try:
        get_noise(None if noise == "default" else noise, js.get_law(law).response)
    except ConfigError:
        return None
    return sbc.Setting(law, None if noise == "default" else noise)


def _sbc_job(law: str, noise: str) -> Job:
    setting = sbc.Setting(law, None if noise == "default" else noise)
    return Job("sbc", (law, noise), f"{setting.says} {js.get_law(law).source_hash}")


def _coverage(options: argparse.Namespace) -> None:
    count = options.simulations or 1000
    jobs, absent = {}, []
    for name in options.scenario:
        for noise in options.noise or SCENARIOS[name].fitted:
            try:
                get_noise(noise, js.get_law("chinchilla").response)
            except ConfigError:
                absent.append(f"{name} {noise}: there is no such noise yet")
            else:
                jobs[name, noise] = _coverage_job(name, noise)
    left = in_processes(list(jobs.values()), count, options.cache, options.workers, options.until)
    found = {key: read(job, count, options.cache) for key, job in jobs.items()}
    done = {key: coverage.together(kept) for key, kept in found.items() if kept}
    show.coverage(done, [*absent, *left], count, options.here)


def _coverage_job(scenario: str, noise: str) -> Job:
    return Job("coverage", (scenario, noise), f"{SCENARIOS[scenario].what} {js.get_law('chinchilla').source_hash}")


def _bugs(options: argparse.Namespace) -> None:
    count = options.simulations or 4000
    names = [*BUGS, *(f"none, {name}" for name in bugs.SETTINGS)]
    jobs = {(name, gate): _bug_job(name, gate) for name in names for gate in ("gate", "open")}
    left = in_processes(list(jobs.values()), count, options.cache, options.workers, options.until)
    found = {key: read(job, count, options.cache) for key, job in jobs.items()}
    done = {key: [sbc.together([block]) for block in kept] for key, kept in found.items() if kept}
    show.bugs(done, left, count, options.here)


def _bug_job(name: str, gate: str) -> Job:
    return Job("bug", (name, gate), bugs.setting_of(name).says)


def _compute(kind: str, arguments: tuple[str, ...], count: int, cache: Path) -> None:
    """The blocks of one job that are missing, in this process."""
    if kind == "sbc":
        setting = _setting(*arguments)
        assert setting is not None
        compute(_sbc_job(*arguments), count, cache, lambda first, last: sbc.study(setting, first, last).kept())
    elif kind == "coverage":
        name, noise = arguments
        compute(_coverage_job(name, noise), count, cache, lambda first, last: coverage.study(name, noise, first, last))
    else:
        name, gate = arguments

        def one(first: int, last: int) -> dict:
            with bugs.planted(name, gate == "gate"):
                return sbc.study(bugs.setting_of(name), first, last).kept()

        compute(_bug_job(name, gate), count, cache, one)


if __name__ == "__main__":
    main()
