"""Shared set-up: strict numerics, the local mirror of public tables, one compile cache."""

import os
from pathlib import Path

import pytest

MIRROR = Path(__file__).resolve().parents[2] / "shared" / "data"
if "JAXSCALE_DATA" not in os.environ and MIRROR.is_dir():
    os.environ["JAXSCALE_DATA"] = str(MIRROR)
