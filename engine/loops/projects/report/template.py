"""Templates of self-contained pages: one style, everything escaped, nothing in a text that could be obeyed."""

from __future__ import annotations

from functools import cache, partial
from importlib import resources
from typing import TYPE_CHECKING

from loops.projects.report.words import duration, harmless, shown, stamp

if TYPE_CHECKING:
    from jinja2 import Template


@cache
def template(package: str, name: str) -> Template:
    """Return the template *name* of *package*; ``style`` in it is the style that all pages share."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    env = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined, finalize=_guarded
    )
    env.filters.update(shown=shown, brief=partial(shown, limit=90), duration=duration, stamp=stamp)
    env.globals["style"] = Markup(_text("loops.projects.report", "style.css"))
    return env.from_string(_text(package, name))


def _text(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _guarded(value: object) -> object:
    """The last look at each value that is written: markup of our own passes, text is made harmless."""
    return harmless(value) if type(value) is str else value
