"""Writes one page a law and their index into docs/laws/, and docs/coverage.md: `python docs/make_laws.py`.

`make docs` runs it before Sphinx. Everything comes from the registry and from jaxscale/data/coverage.csv; nothing is
fitted. The pages are not kept in the repository; coverage.md is, so that it can be read there too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import law_examples
import law_pictures

from jaxscale.law import Law, Preset, list_laws
from jaxscale.terminal import cards, papers
from jaxscale.words import plain

DOCS = Path(__file__).resolve().parent
KINDS = {
    "law": ("Papers with a law", "What can be fitted with jaxscale for each."),
    "method": ("Papers with a way to work", "They give no law of their own, but something to call."),
    "further": ("Further papers", "Others whose laws or methods are here."),
}


def page(law: Law) -> str:
    """The page of one law."""
    return "\n\n".join(part for part in _parts(law) if part) + "\n"


def _parts(law: Law) -> Iterable[str]:
    yield f"# {law.name}"
    yield prose((sys.modules[law.mean.__module__].__doc__ or "").strip().partition("\n")[0])
    yield f"```text\n{law.formula}\n```"
    yield from (prose(" ".join(paragraph.split())) for paragraph in cards.explanation(law).split("\n\n"))
    if law.aliases:
        yield f"Also called {listed(law.aliases)}."
    yield "## Inputs and response"
    yield table(["symbol", "column", "unit", "meaning"], _inputs(law))
    yield "## Parameters"
    yield table(["parameter", "prior"], [(code(p), prose(cards.prior_in_words(law, p))) for p in law.params])
    if law.free:
        yield f"![Prior densities of {', '.join(law.free)}; the darker part holds 90 %](images/{law.name}.svg)"
    yield "## Published values"
    presets = [
        (code(k), _values(v), cards.CERTAINTY.get(v.certainty, v.certainty), prose(v.note))
        for k, v in law.published.items()
    ]
    yield table(["name", "values", "how sure", "note"], presets) if presets else "None are recorded."
    yield "## Use"
    yield table(["", ""], _uses(law))
    yield f"```python\n{law_examples.example(law)}\n```"
    yield "## Source"
    yield _source(law)
    _, entries = papers.citation(law)
    yield f"`jaxscale cite {law.name}` prints:"
    yield "```bibtex\n" + "\n\n".join(entries) + "\n```"


def _inputs(law: Law) -> Iterable[Sequence[str]]:
    for symbol, v in law.inputs.items():
        yield code(symbol), code(cards.column_in_words(v)), prose(cards.unit_in_words(v)), prose(v.meaning)
    response = law.response
    yield "", code(response.column), prose(response.unit), f"response: {prose(response.meaning)}"
    if response.trials:
        yield "", code(response.trials), "", "tries behind each count"


def _values(values: Preset) -> str:
    return ", ".join(code(f"{p} = {plain(v, digits=6)}") for p, v in values.items())


def _uses(law: Law) -> Iterable[Sequence[str]]:
    said = cards.facts(law)
    yield "decides", prose(said["Decides"])
    yield "valid", prose(said.get("Valid", "wherever the inputs make sense"))
    if law.after:
        yield "chained after", f"{linked(law.after)}, by `jaxscale.chain`"
    if law.falls or law.rises:
        moves = [("falls with", law.falls), ("rises with", law.rises)]
        yield "always", "; ".join(f"{how} {listed(names)}" for how, names in moves if names)
    for other, values in law.contains.items():
        yield "contains", f"{linked(other)}, at " + ", ".join(code(f"{p} = {plain(v)}") for p, v in values.items())
    if "Units" in said:
        yield "units", prose(said["Units"])


def _source(law: Law) -> str:
    said, _ = papers.citation(law)
    return papers.ARXIV.sub(lambda m: f"[{m[0]}]({papers.link(m[0])})", prose(said))


# ---- lists of laws and papers ----------------------------------------------------------------------


def index(laws: Sequence[Law]) -> str:
    """The page that lists them by topic."""
    topics = {topic: [law for law in laws if law.topic == topic] for topic in sorted({law.topic for law in laws})}
    intro = (
        f"{len(laws)} laws by topic. `jaxscale laws` lists them in a terminal, with `--topic`, `--input`, `--response` "
        "and `--paper` to narrow the list, and `jaxscale laws NAME` shows one. A form that no paper prints says so "
        "under its source. [By paper](../coverage.md) goes from a title to what serves it."
    )
    parts = ["# Laws", intro]
    for topic, own in topics.items():
        rows = [(linked(x.name), ", ".join(map(code, x.inputs)), code(x.response.column), code(x.formula)) for x in own]
        toctree = "\n".join(["```{toctree}", ":hidden:", "", *(law.name for law in own), "```"])
        parts += [f"## {topic[0].upper()}{topic[1:]}", table(["law", "inputs", "response", "formula"], rows), toctree]
    return "\n\n".join(parts) + "\n"


def coverage() -> str:
    """The page from a paper's title to what serves it."""
    parts = [
        "# By paper",
        "Which law, or which function of `jaxscale.protocols`, serves a paper. "
        "`jaxscale laws --paper WORDS` finds a title's, and `jaxscale laws NAME` shows a law with its source and how "
        "sure its published values are. Made from `jaxscale/data/coverage.csv` by `python docs/make_laws.py`.",
    ]
    for kind, (heading, said) in KINDS.items():
        own = [paper for paper in papers.papers() if paper.kind == kind]
        rows = [(f"[{prose(p.title)}]({p.link})", listed(p.names), prose(p.remark)) for p in own]
        parts += [f"## {heading}", f"{len(own)} titles. {said}", table(["paper", "served by", "remark"], rows)]
    return "\n\n".join(parts) + "\n"


def with_links(text: str) -> str:
    """The same page with names of laws leading to their pages, which are there once the documentation is built."""
    known = pages()
    found = re.compile(r"(?<!\[)`(\w+)`(?=[,; |])")
    return found.sub(lambda m: f"[{m[0]}](laws/{known[m[1]]}.md)" if m[1] in known else m[0], text)


# ---- Markdown ----------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing without rows."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(["| " + " | ".join(header) + " |", "|" + " --- |" * len(header), *lines]) if lines else ""


def code(text: str) -> str:
    """A name or formula as it is written."""
    return "`" + text.replace("|", "\\|") + "`"


def prose(text: str) -> str:
    """Plain text in which nothing is a mark of Markdown, except what stands in backticks."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([\\*_\[\]<>|{}$~^#])", r"\\\1", p) for p in parts)


def listed(names: Iterable[str]) -> str:
    """Names with commas between them."""
    return ", ".join(map(code, names))


def linked(name: str) -> str:
    """A law's name that leads to its page, from another law's; of a family only the usual size has one."""
    home = pages().get(name)
    return f"[{code(name)}]({home}.md)" if home else code(name)


def pages() -> dict[str, str]:
    """Names and aliases of laws -> the name of their page."""
    return {n: law.name for law in list_laws() for n in (law.name, *law.aliases)}


# ---- files -------------------------------------------------------------------------------------------


def main(docs: Path = DOCS) -> None:
    """Write all pages and pictures, and take away those of laws that are gone."""
    laws = list_laws()
    folder = docs / "laws"
    (folder / "images").mkdir(parents=True, exist_ok=True)
    wanted = {docs / "coverage.md": coverage(), folder / "index.md": index(laws)}
    wanted |= {folder / f"{law.name}.md": page(law) for law in laws}
    wanted |= {folder / "images" / f"{law.name}.svg": law_pictures.svg(law) for law in laws if law.free}
    for path, text in wanted.items():
        if not path.is_file() or path.read_text(encoding="utf-8") != text:  # Sphinx reads again what is newer
            path.write_text(text, encoding="utf-8")
    for path in {*folder.glob("*.md"), *folder.glob("images/*.svg")} - set(wanted):
        path.unlink()


if __name__ == "__main__":
    main()
