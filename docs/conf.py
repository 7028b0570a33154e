"""Sphinx configuration."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import make_laws

project = "jaxscale"
author = "the jaxscale developers"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3


def setup(app):
    """Write the pages of the laws before they are read, and lead from papers to them."""

    def link(_, page: str, source: list[str]) -> None:
        if page == "coverage":
            source[0] = make_laws.with_links(source[0])

    app.connect("builder-inited", lambda _: make_laws.main())
    app.connect("source-read", link)
