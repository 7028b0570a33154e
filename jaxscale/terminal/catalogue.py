"""Commands that look things up or make tables up: laws, cite, datasets, simulate."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from jaxscale.errors import LawError
from jaxscale.terminal.console import count, emit, pairs, paragraphs
from jaxscale.terminal.exits import DONE, NO
from jaxscale.terminal.options import Json, Output, numbers, one_number, writable


def laws(
    name: Annotated[str | None, typer.Argument(help="A law to show in full.")] = None,
    input: Annotated[str | None, typer.Option(help="Laws with this input: N, or params.")] = None,
    response: Annotated[str | None, typer.Option(help="Laws of this response: loss.")] = None,
    topic: Annotated[str | None, typer.Option(help="Laws of this topic: training.")] = None,
    paper: Annotated[
        str | None, typer.Option(metavar="WORDS", help="What serves a paper, by words of its title: 'data filtering'.")
    ] = None,
    json: Json = False,
) -> int:
    """List the laws, those that fit a filter, or show one in full.

    In full: formula, inputs with units, priors in words, published values and how sure they are, source.
    """
    from jaxscale.law import get_law, list_laws
    from jaxscale.terminal import cards, papers

    if name is not None:
        law = get_law(name)
        emit(json, {"law": cards.document(law)}, cards.card(law))
        return DONE
    every = list_laws()
    listed = papers.about(paper) if paper is not None else []
    served = {get_law(n).name for p in listed for n in p.laws}
    found = [
        law
        for law in every
        if (input is None or input in law.inputs or input in {v.column for v in law.inputs.values()})
        and response in (None, law.response.column)
        and topic in (None, law.topic)
        and (paper is None or law.name in served or papers.holds(str(law.source), paper))
    ]
    document: dict[str, Any] = {"laws": [cards.document(law) for law in found]}
    if paper is not None:
        document["papers"] = [p.as_dict() for p in listed]
    nothing = None
    if not found and not listed:
        topics = ", ".join(sorted({law.topic for law in every}))
        nothing = f"No law fits this filter; `jaxscale laws` lists all of them. The topics are {topics}."
    emit(json, document, paragraphs(*map(str, listed), cards.lines(found) if found else nothing))
    return DONE if found or listed else NO


def cite(name: Annotated[str, typer.Argument(metavar="LAW", help="A law's name.")], json: Json = False) -> int:
    """Say how to cite a law and this software.

    Of a form that is jaxscale's own: what inspired it.
    """
    from jaxscale.law import Ours, get_law
    from jaxscale.terminal.papers import citation

    law = get_law(name)
    source, entries = citation(law)
    document = {"law": law.name, "own": isinstance(law.source, Ours), "source": source, "bibtex": entries}
    emit(json, document, paragraphs(source, *entries))
    return DONE


def datasets(
    name: Annotated[str | None, typer.Argument(help="A dataset to load and show.")] = None,
    output: Output = None,
    json: Json = False,
) -> int:
    """List public tables of training runs, or show one."""
    from jaxscale import datasets as public
    from jaxscale.terminal.answers import dataset_text

    if name is None:
        if output is not None:
            raise typer.BadParameter("-o writes one dataset: name it", param_hint="--output")
        known = public.list()
        rows = [(d.name, d.licence, "bundled" if d.bundled else d.repository, d.title) for d in known]
        listed = [{"name": n, "licence": lic, "from": where, "title": title} for n, lic, where, title in rows]
        help_ = "`jaxscale datasets NAME` loads one and shows it; its name serves as TABLE in every command."
        text = "\n\n".join(f"{n}\n  {title}\n  licence: {lic}; {where}" for n, lic, where, title in rows)
        emit(json, {"datasets": listed}, paragraphs(text, help_))
        return DONE
    target = writable(output) if output else None
    runs = public.load(name)
    if target is not None:
        runs.table.to_csv(target, index=False)
    document = {"name": name, "source": runs.source, "rows": len(runs), "columns": list(runs.table.columns)}
    document |= {"notes": runs.notes, "excluded": len(runs.excluded), "head": runs.table.head(), "saved": target}
    emit(json, document, paragraphs(dataset_text(runs), f"Saved to {target}" if target else None))
    return DONE


def simulate(
    name: Annotated[str, typer.Argument(metavar="LAW", help="A law's name, or a Python file that defines one.")],
    preset: Annotated[str | None, typer.Option(help="Published parameters: besiroglu2024.")] = None,
    param: Annotated[list[str] | None, typer.Option(metavar="PARAM=VALUE", help="A parameter: E=1.8.")] = None,
    grid: Annotated[
        list[str] | None, typer.Option(metavar="SYMBOL=LOW:HIGH:COUNT", help="Values of an input: N=1e8:1e10:6.")
    ] = None,
    sd: Annotated[float, typer.Option(help="Scale of the noise, relative for losses; 0 for none.")] = 0.01,
    noise: Annotated[str | None, typer.Option(help="student_t, normal or binomial.")] = None,
    seed: Annotated[int, typer.Option(help="Of the noise.")] = 0,
    output: Output = None,
    json: Json = False,
) -> int:
    """Simulate runs of a law on a grid of inputs, as CSV."""
    from itertools import product

    from jaxscale.law import get_law
    from jaxscale.simulator import simulate as draw

    law, target = get_law(name), writable(output) if output else None
    if preset is not None and preset not in law.published:
        known = ", ".join(law.published) or "none"
        raise LawError(f"law {law.name!r} has no published values called {preset!r}; it has {known}")
    if sd < 0:
        raise typer.BadParameter(f"expected 0 or more; got {sd}", param_hint="--sd")
    given = {p: one_number(f"--param {p}", text) for p, text in (pairs("--param", param, "E=1.8") or {}).items()}
    params = {**(law.published[preset] if preset else {}), **given}
    axes = numbers("--grid", grid, "N=1e8:1e10:6")
    inputs = dict(zip(axes, zip(*product(*axes.values()), strict=True), strict=True))
    runs = draw(law, params, inputs, noise=noise, sd=sd, seed=seed)
    csv = runs.table.to_csv(target, index=False)
    text = f"{count(len(runs), 'simulated run')} of {law.name} in {target}" if target else (csv or "").rstrip()
    emit(json, {"law": law.name, "params": params, "rows": len(runs), "saved": target, "runs": runs.table}, text)
    return DONE
