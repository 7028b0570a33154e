"""The peers' own environment: benchmarks/speed/.peers, made from peers.txt when it is missing or out of date."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
FOLDER = HERE / ".peers"
REQUIREMENTS = HERE / "peers.txt"
STAMP = FOLDER / "made_from"
ONE_THREAD = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")


def python() -> Path:
    """The interpreter of the peers' environment, which is built first where needed (a few minutes)."""
    interpreter = FOLDER / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted = f"{sys.version_info[:2]} {hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()}"
    if not (interpreter.exists() and STAMP.exists() and STAMP.read_text() == wanted):
        shutil.rmtree(FOLDER, ignore_errors=True)  # a half-made or older one: versions must not mix
        print(f"Building the peers' environment from {REQUIREMENTS.name} ...", file=sys.stderr, flush=True)
        for command in _commands(interpreter):
            subprocess.run(command, check=True, stdout=sys.stderr)
        (FOLDER / ".gitignore").write_text("*\n")
        STAMP.write_text(wanted)
    return interpreter


def variables() -> dict[str, str]:
    """What every process of the benchmark works under: JAX on the CPU, one thread for BLAS, no window.

    Arrays of a hundred numbers gain nothing by BLAS threads, and on a busy machine these wait for each other: SciPy's
    fits from a grid then take three to a hundred times the CPU seconds. One thread is each peer's best case.
    PyTensor keeps compiled programs on disk by default; a folder of our own keeps the user's as it is.
    """
    flags = {"MPLBACKEND": "Agg", "JAX_PLATFORMS": "cpu", "PYTENSOR_FLAGS": f"base_compiledir={FOLDER / 'pytensor'}"}
    return {**os.environ, **flags, **dict.fromkeys(ONE_THREAD, "1"), "PYTHONDONTWRITEBYTECODE": "1"}


def _commands(interpreter: Path) -> list[list[str]]:
    if uv := shutil.which("uv"):
        make = [uv, "venv", "--quiet", "--python", sys.executable, str(FOLDER)]
        return [make, [uv, "pip", "install", "--quiet", "--python", str(interpreter), "-r", str(REQUIREMENTS)]]
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(REQUIREMENTS)]
    return [[sys.executable, "-m", "venv", str(FOLDER)], [str(interpreter), *install]]


if __name__ == "__main__":
    print(python().relative_to(HERE))
