"""Papers: which laws and protocols serve each, and how to cite what stands behind a law.

Holds no JAX. The list is data/coverage.csv: `kind` is "law" for papers with a law or a curve that can be fitted,
"method" for those with a way to work, "further" for others whose laws are here; a name that starts with
"protocols." is a function of `jaxscale.protocols`, any other a law's name or alias.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

from jaxscale import __version__

if TYPE_CHECKING:
    from jaxscale.law import Law

LICENCE = "Apache-2.0"
PROTOCOLS = "protocols."
ARXIV = re.compile(r"\b\d{4}\.\d{5}\b")
# "Hoffmann et al. 2022", "Wu and Tang 2024, ...": how a law file names a paper, unless by its title
BY_AUTHORS = re.compile(r"(?P<who>[^\W\d][^\s,]*(?: et al\.| (?:&|and) [^\s,]+)?) (?P<year>\d{4})\b")


@dataclass(frozen=True)
class Listed:
    """A paper, the names of what serves it, and a remark on how."""

    title: str
    arxiv: str
    kind: str
    names: tuple[str, ...]
    remark: str

    @property
    def laws(self) -> tuple[str, ...]:
        """Laws and aliases among the names."""
        return tuple(n for n in self.names if not n.startswith(PROTOCOLS))

    @property
    def protocols(self) -> tuple[str, ...]:
        """Functions of `jaxscale.protocols` among the names."""
        return tuple(n.removeprefix(PROTOCOLS) for n in self.names if n.startswith(PROTOCOLS))

    @property
    def link(self) -> str:
        """Address of its page."""
        return link(self.arxiv)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        said = {"title": self.title, "arxiv": self.arxiv, "laws": self.laws, "protocols": self.protocols}
        return said | {"remark": self.remark}

    def __str__(self) -> str:
        served = [f"laws: {', '.join(self.laws)}"] if self.laws else []
        served += [f"jaxscale.protocols: {', '.join(self.protocols)}"] if self.protocols else []
        return "\n".join([f"{self.title} (arXiv {self.arxiv})", f"  {'; '.join(served)}", f"  {self.remark}"])


def link(arxiv: str) -> str:
    """Address of a paper's page on arXiv."""
    return f"https://arxiv.org/abs/{arxiv}"


@functools.cache
def papers() -> tuple[Listed, ...]:
    """All papers of the list."""
    text = resources.files("jaxscale.data").joinpath("coverage.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(text.splitlines())
    return tuple(Listed(r["title"], r["arxiv"], r["kind"], tuple(r["names"].split(";")), r["remark"]) for r in rows)


def about(words: str) -> list[Listed]:
    """Papers whose title or arXiv number has all of these words, or beginnings of words, in any order and case."""
    return [paper for paper in papers() if holds(f"{paper.title} {paper.arxiv}", words)]


def holds(text: str, words: str) -> bool:
    """Whether a text has all of these words, or words that begin with them."""
    said = _words(text)
    return bool(_words(words)) and all(any(w.startswith(wanted) for w in said) for wanted in _words(words))


def _words(text: str) -> list[str]:
    return re.findall(r"[\w.]*\w", text.lower())


# ---- citing --------------------------------------------------------------------------------------


def citation(law: Law) -> tuple[str, list[str]]:
    """What stands behind a law, as a sentence, and BibTeX entries for it and for this software."""
    from jaxscale.law import Ours

    software = {"title": "jaxscale", "version": __version__, "license": LICENCE}
    entries = [_entry("software", "jaxscale", software)]
    source = law.source
    if isinstance(source, Ours):
        text = source.inspired_by
        starts = [0, *(m.end() for m in ARXIV.finditer(text))]
        found = [_paper(text[start : m.start()], m[0]) for start, m in zip(starts, ARXIV.finditer(text), strict=False)]
        said = {"note": f"inspired the form of {law.name}, which is jaxscale's own"}
        return f"{law.name} is {source}.", [*(_entry("misc", key, f | said) for key, f in found), *entries]
    key, fields = _paper(source.title, source.arxiv)
    where = {"note": source.where} if source.where else {}
    title = _title(source.arxiv)
    named = source.title if not title or title in source.title else f'{source.title}, "{title}"'
    sentence = ", ".join(filter(None, (named, source.arxiv and f"arXiv {source.arxiv}", source.where)))
    return f"{law.name} is the law of {sentence}.", [_entry("misc", key, fields | where), *entries]


def _title(arxiv: str) -> str:
    return next((paper.title for paper in papers() if paper.arxiv == arxiv), "")


def _paper(named: str, arxiv: str) -> tuple[str, dict[str, str]]:
    """Key and fields of an entry, from how a law file names the paper and from the list."""
    by = BY_AUTHORS.search(named)
    title = _title(arxiv) or re.sub(r",? \d{4}$", "", named.strip())  # else at least what the law file says
    year = by["year"] if by else f"20{arxiv[:2]}" if arxiv else "".join(re.findall(r"\d{4}$", named.strip()))
    fields = {"title": f"{{{title}}}"}
    if by:
        fields["author"] = re.sub(r" et al\.$", " and others", by["who"]).replace(" & ", " and ")
    fields |= {"year": year} if year else {}
    if arxiv:
        fields |= {"eprint": arxiv, "archivePrefix": "arXiv", "url": link(arxiv)}
    words = [by["who"]] if by else re.findall(r"\w{4,}", title)
    first = next(iter(re.findall(r"[a-z]+", " ".join(words).lower())), "paper")
    return "-".join(filter(None, (first + year, arxiv))), fields


def _entry(kind: str, key: str, fields: Mapping[str, str]) -> str:
    body = ",\n".join(f"  {k} = {{{v if k == 'url' else _escaped(v)}}}" for k, v in fields.items())
    return f"@{kind}{{{key},\n{body}\n}}"


def _escaped(text: str) -> str:
    return re.sub(r"([&%#$_])", r"\\\1", text)
