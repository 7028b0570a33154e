"""The page of results: run.py's document as three tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import mean, median

Ratio = tuple[float, float, float]  # best estimate, lowest, highest
NAMES = {"simple_scaling_laws": "simple-scaling-laws", "numpyro_jit_model_args": "numpyro, jit_model_args"}


def page(document: dict) -> str:
    """Ours, the peers, how far the posteriors agree, and how to read it all."""
    asked, host = document["options"], document["machine"]
    flags = "".join(f" --{k}" for k in ("narrow", "dirty") if asked[k])
    call = f"python benchmarks/speed/run.py --tables {asked['tables']} --n {asked['n']}{flags}"
    about = (
        f"Tables of {asked['n']} runs, {host['cores']} cores, {host['system']}, Python {host['python']}, "
        f"jax {host['jax']}, one BLAS thread. Ours and the peers were measured in turn. CPU seconds count all threads "
        "and processes."
    )
    parts = [
        f"# What a fit costs\n\nWritten by `{call}`.\n\n{about}",
        "## Ours: all tables in one call\n\n" + markdown(our_rows(document)),
        "## Peers: one table after another\n\n" + markdown(peer_rows(document)) + "\n\n" + HOW_TO_READ,
    ]
    if shifts := shift_rows(document):
        parts.append("## Do the posteriors agree?\n\n" + markdown(shifts) + "\n\n" + WHY_NOT_QUITE)
    return "\n\n".join([*parts, "## Settings\n\n" + settings(document)]) + "\n"


def our_rows(document: dict) -> list[dict]:
    """One row for each kind of fit."""
    rows = []
    for kind in dict.fromkeys(r["kind"] for r in document["ours"]):
        records = of(document, kind)
        first = next(r for r in document["warm_up"] if r["kind"] == kind)
        rows.append(
            {
                "fit": kind,
                "tables": records[0]["fits"],
                "ok": records[0]["ok"],
                "repeats": len(records),
                "CPU ms a fit": spread(1e3 * r["cpu_s"] / r["fits"] for r in records),
                "wall ms a fit": spread(1e3 * r["wall_s"] / r["fits"] for r in records),
                "effective draws a fit": number(mean(r["ess_bulk_sum"] / max(r["ok"], 1) for r in records))
                if kind == "posterior"
                else "",
                "effective draws / CPU s": spread(map(our_rate, records)) if kind == "posterior" else "",
                "first call, CPU s": number(first["cpu_s"]),
            }
        )
    return rows


def peer_rows(document: dict) -> list[dict]:
    """One row for each peer, and one more without set-up where that is known in CPU seconds."""
    rows = []
    for peer in document["peers"]:
        rows.append(peer_row(peer, document, without_setup=False))
        if all("setup_cpu_s" in t for t in peer["tables"]):
            rows.append(peer_row(peer, document, without_setup=True))
    return rows


def peer_row(peer: dict, document: dict, without_setup: bool) -> dict:
    """Cost and effective draws of one peer, and what ours saves."""
    tables, records = peer["tables"], of(document, peer["against"])
    costs = [t["cpu_s"] - (t["setup_cpu_s"] if without_setup else 0) for t in tables]
    saved = ratio(costs, [r["cpu_s"] / r["fits"] for r in records])
    row = {
        "peer": name(peer["peer"]) + (", compile apart" if without_setup else ""),
        "tables": len(tables),
        "CPU s a fit": spread(costs),
        "effective draws": "",
        "effective draws / CPU s": "",
        "against our": peer["against"],
        "ours costs less, times": shown(saved),
        "ours draws more for a CPU s, times": "",
    }
    if all("ess_bulk" in t for t in tables):
        draws = [t["ess_bulk"] for t in tables]
        more = ratio([our_rate(r) for r in records], [e / c for e, c in zip(draws, costs, strict=True)])
        row["effective draws"] = spread(draws)
        row["effective draws / CPU s"] = spread(e / c for e, c in zip(draws, costs, strict=True))
        row["ours draws more for a CPU s, times"] = shown(more)
    return row


def shift_rows(document: dict) -> list[dict]:
    """Our posterior means beside a sampler's, in its standard deviations, on the peer's tables."""
    found = next((r["found"] for r in document["ours"] if r["kind"] == "posterior"), {})
    rows = []
    for peer in document["peers"]:
        pairs = [
            (found[str(t["table"])], t, p)
            for t in peer["tables"]
            if "r_hat" in t and str(t["table"]) in found
            for p in found[str(t["table"])]["mean"]
        ]
        if pairs:
            shifts = [abs(a["mean"][p] - t["mean"][p]) / t["sd"][p] for a, t, p in pairs]
            ratios = [a["sd"][p] / t["sd"][p] for a, t, p in pairs]
            r_hat = max(t["r_hat"] for _, t, _ in pairs)
            row = {"peer": name(peer["peer"]), "largest shift of a mean, sd": number(max(shifts))}
            row["sd, ours / the peer's"] = f"{number(min(ratios))} to {number(max(ratios))}"
            rows.append(row | {"the peer's R-hat": f"{r_hat:.3f}"})
    return rows


def settings(document: dict) -> str:
    """What each peer ran."""
    lines = []
    for peer in document["peers"]:
        first = f"; a process's first fit {number(peer['first']['cpu_s'])} CPU s" if peer["first"] else ""
        setup = f"; set-up: {peer['setup']}" if "setup" in peer else ""
        objective = f"; objective: {peer['objective']}" if "objective" in peer else ""
        lines.append(f"- {name(peer['peer'])}: {peer['settings']}{setup}{objective}{first}.")
    lines += [f"- {name(peer)} failed and is left out." for peer in document["failed"]]
    versions = document["peers"][0]["versions"] if document["peers"] else {}
    return "\n".join([*lines, "", ", ".join(f"{k} {v}" for k, v in versions.items())]).strip()


def of(document: dict, kind: str) -> list[dict]:
    """The repeats of one kind of fit of ours."""
    return [r for r in document["ours"] if r["kind"] == kind]


def our_rate(record: dict) -> float:
    """Effective draws for a CPU second; fits that are not ok cost and bring none."""
    return record["ess_bulk_sum"] / record["cpu_s"]


def ratio(above: list[float], below: list[float]) -> Ratio:
    """Of the means, and the lowest and highest of any pair."""
    return mean(above) / mean(below), min(above) / max(below), max(above) / min(below)


def shown(r: Ratio) -> str:
    """ "12 (9 to 15)"."""
    return f"{number(r[0])} ({number(r[1])} to {number(r[2])})"


def spread(values: Iterable[float]) -> str:
    """Median, and the lowest and highest."""
    every = list(values)
    return f"{number(median(every))} ({number(min(every))} to {number(max(every))})"


def number(value: float) -> str:
    """Three digits, no exponent."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def name(peer: str) -> str:
    """A peer as its users call it."""
    for key, found in NAMES.items():
        peer = peer.replace(key, found)
    return peer.replace("_", " ")


def markdown(rows: list[dict]) -> str:
    """A table."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(row.values()) for row in rows)] if rows else []
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


HOW_TO_READ = """Effective draws are the fewest (bulk) among E, alpha, beta and the scale of the noise; each refit of a
bootstrap counts as one. Costs are medians, in brackets the lowest and highest: of our repeats over all tables, and of
the peer's tables. The ratios are of means, in brackets the lowest and highest of any repeat of ours with any table of
the peer."""

WHY_NOT_QUITE = """The samplers share one model (samplers.py), whose priors are near ours and not the same, so a shift
of a tenth or two of a standard deviation is no fault of either."""
