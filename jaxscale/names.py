"""Names that were nearly right: what did the user mean?"""

from __future__ import annotations

from collections.abc import Iterable


def distance(a: str, b: str) -> int:
    """Damerau-Levenshtein distance: insertions, deletions, replacements and swaps of neighbours, case ignored."""
    a, b = a.casefold(), b.casefold()
    before: list[int] = []
    last = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row = [i]
        for j, y in enumerate(b, 1):
            cost = min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, last = last, row
    return last[-1]


def is_slip(name: str, meant: str) -> bool:
    """Whether `name` is a slip of the pen for `meant`: one edit away, or two if `meant` has 8 letters or more."""
    allowed = 1 if len(meant) < 8 else 2
    return abs(len(name) - len(meant)) <= allowed and distance(name, meant) <= allowed


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like `name`, or None: a slip of it, or one of the two holds the other."""
    known = [str(k) for k in known]
    slips = [k for k in known if is_slip(k, name) or is_slip(name, k)]
    if slips:
        return min(slips, key=lambda k: distance(k, name))
    short = name.casefold()
    parts = [k for k in known if len(short) > 2 and len(k) > 2 and (short in k.casefold() or k.casefold() in short)]
    return min(parts, key=len, default=None)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A question to put before a hint, or an empty text."""
    near = nearest(name, known)
    return f"did you mean {near!r}? " if near is not None else ""
