"""The page about the Python interface: each public name of `safelight`, described by its own docstring."""

import sys

import safelight

INTRO = """# Python reference

What `import safelight` gives, from the docstrings. [Releases in your own scripts](../python.md) explains it with
programs that run.
"""
PARTS = """## Parts of a recipe

A recipe of your own is made of these ([how](../training.md#a-recipe-of-your-own)).
"""


def page() -> str:
    """Write the page as directives of mkdocstrings, which reads signatures and docstrings."""
    names = [
        name
        for name in sorted({*safelight.PUBLIC, "predict"})
        if name not in safelight.RECIPE_PARTS
    ]
    blocks = [INTRO, "## Functions and classes\n", *map(_directive, names), PARTS]
    return "\n".join([*blocks, *map(_directive, sorted(safelight.RECIPE_PARTS))])


def _directive(name: str) -> str:
    value = getattr(safelight, name)
    where = value.__module__ if value.__module__ in sys.modules else "safelight"
    return f"::: {where}.{value.__qualname__}\n"
