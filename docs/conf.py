"""How the documentation is built: `make docs`."""

from importlib.metadata import version as version_of

project = "latentbench"
author = "the latentbench authors"
release = version = version_of("latentbench")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinxcontrib.mermaid"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_fence_as_directive = ["mermaid"]
myst_heading_anchors = 3

autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_class_signature = "separated"
napoleon_numpy_docstring = False


def setup(app):
    """Docstrings are plain text, in which |x| is a norm; in reStructuredText it would be a substitution."""

    def as_written(app, what, name, it, options, lines):
        lines[:] = [line.replace("|", r"\|") for line in lines]

    app.connect("autodoc-process-docstring", as_written)


html_theme = "furo"
html_title = "latentbench"
