"""agents.toml and fleet.toml: checked against their schemas, then frozen facts.

What is needed is imported when it is first asked for, so that a start from the cache pays for the cache alone.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` would take a quarter of a start from the cache
if TYPE_CHECKING:
    from loops.config.codec import decode as decode
    from loops.config.codec import encode as encode
    from loops.config.compiled import compile as compile
    from loops.config.files import check_files as check_files
    from loops.config.loading import load as load
    from loops.config.precedence import Effective as Effective
    from loops.config.precedence import Origin as Origin
    from loops.config.precedence import Overrides as Overrides
    from loops.config.precedence import Row as Row
    from loops.config.precedence import Source as Source
    from loops.config.precedence import effective as effective
    from loops.config.precedence import rows_with_origin as rows_with_origin
    from loops.config.problems import ConfigProblems as ConfigProblems
    from loops.config.problems import Problem as Problem

_HOMES = {
    "decode": "codec",
    "encode": "codec",
    "compile": "compiled",
    "check_files": "files",
    "load": "loading",
    "Effective": "precedence",
    "Origin": "precedence",
    "Overrides": "precedence",
    "Row": "precedence",
    "Source": "precedence",
    "effective": "precedence",
    "rows_with_origin": "precedence",
    "ConfigProblems": "problems",
    "Problem": "problems",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    return found
