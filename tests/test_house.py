"""The house rules that code can hold: imports flow one way, modules stay small, nothing foreign is committed."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "jaxscale"
MODULES = sorted(PACKAGE.rglob("*.py"))

# from which rooms a room may take, besides the foundations
FOUNDATIONS = {
    "errors",
    "variables",
    "names",
    "meaning",
    "cells",
    "status",
    "runtime",
    "positive",
    "implicit",
    "priors",
    "progress",
    "words",
    "summary",
}
ALLOWED = {
    "laws": {"law", "laws"},
    "law": {"noise", "registry"},
    "registry": {"law"},  # for annotations alone
    "readers": {"readers", "runs"},
    "runs": set(),
    "noise": {"noise"},
    "beside": {"batch", "law", "noise", "runs"},
    "batch": {"beside", "law", "noise", "runs"},
    "model": {"law", "noise", "batch"},
    "diagnose": set(),
    "infer": {"infer", "model", "batch", "noise", "diagnose"},
    "identify": {"law", "batch"},
    "tree": {"batch", "law", "runs", "diagnose"},
    "discrepancy": {"batch", "beside", "identify", "infer", "law", "model", "population"},
    "population": set(),
    "forecast": {"beside", "discrepancy", "law", "noise", "readers"},
    "contract": {"api", "contract", "law", "model", "noise", "runs"},
    "again": {"api", "held", "result"},
    "held": {"result", "runs"},
    "chained": {"forecast", "law", "result"},
    "residuals": {"forecast", "result"},
    "choose": {"diagnose", "law", "noise", "runs"},
    "result": {"discrepancy", "forecast", "law", "model", "noise", "report", "residuals"},
    "engine": {"batch", "diagnose", "engine", "identify", "infer", "law", "model", "noise", "readers", "runs"},
    "fits": {"engine", "forecast", "noise", "pooled", "repool", "result", "runs"},  # the pools when they are asked for
    "pooled": {"batch", "engine", "forecast", "infer", "law", "model", "noise", "runs"},
    "repool": {"batch", "diagnose", "engine", "infer", "pooled"},
    "api": {
        "batch",
        "choose",
        "discrepancy",
        "engine",
        "fits",
        "identify",
        "infer",
        "law",
        "model",
        "noise",
        "readers",
        "residuals",
        "result",
        "runs",
        "tree",
    },
    "simulator": {"law", "noise", "readers", "runs"},
    "trust": {
        "api",
        "batch",
        "check",
        "datasets",
        "diagnose",
        "discrepancy",
        "forecast",
        "identify",
        "infer",
        "law",
        "model",
        "noise",
        "protocols",
        "residuals",
        "result",
        "runs",
        "trust",
    },
    "decide": {"beside", "decide", "forecast", "identify", "law", "readers", "result", "schedules"},
    "protocols": {"protocols", "result", "runs"},
}


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Rooms of the package that a module imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxscale":
            parts = (node.module or "").split(".")
            found |= {parts[1]} if len(parts) > 1 else {a.name for a in node.names}
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("jaxscale.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", [m for m in MODULES if room(m) in ALLOWED], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_flow_one_way(path):
    stray = imported(path) - FOUNDATIONS - ALLOWED[room(path)]
    assert not stray, f"{path.name} may not import {sorted(stray)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_modules(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 350, "one idea a module"
    if room(path) != "report":
        assert "import matplotlib" not in text
        assert "from matplotlib" not in text
    assert "import *" not in text


def test_no_public_function_shares_a_module_name():
    import jaxscale as js

    modules = {p.stem for p in PACKAGE.glob("*.py")} | {p.name for p in PACKAGE.iterdir() if p.is_dir()}
    functions = {n for n in dir(js) if not n.startswith("_") and n != "datasets"}
    assert not functions & modules


def test_every_public_name_is_there():
    import jaxscale as js

    for name in dir(js):
        assert getattr(js, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        js.fitt  # noqa: B018


def test_import_is_light():
    """Importing the package needs neither JAX nor pandas."""
    code = "import sys, jaxscale; sys.exit(bool({'jax', 'pandas', 'matplotlib', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_threads_that_ask_first_see_every_law():
    code = """
import threading
from concurrent.futures import ThreadPoolExecutor
import jaxscale as js
meet = threading.Barrier(2)
def ask(name):
    meet.wait()
    return js.get_law(name).name
with ThreadPoolExecutor(2) as pool:
    assert list(pool.map(ask, ["vocab", "vf_vb_gap"])) == ["vocab", "vf_vb_gap"]
"""
    subprocess.run([sys.executable, "-c", code], check=True)
