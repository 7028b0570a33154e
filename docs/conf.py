"""Sphinx configuration."""

project = "jaxscale"
author = "the jaxscale developers"
extensions = ["myst_parser"]
html_theme = "furo"
exclude_patterns = ["_build"]
myst_heading_anchors = 3
