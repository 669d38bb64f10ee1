"""Where the files that come with the engine are: in the package once installed, else at the top of the repository."""

from __future__ import annotations

import os

from loops.errors import LoopsError

_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_PACKAGED = os.path.join(_PACKAGE, "_data")
_REPOSITORY = os.path.dirname(os.path.dirname(_PACKAGE))


def schema(name: str) -> str:
    """Return the path of ``schemas/<name>.schema.json``.  Raises LoopsError when the installation lacks it."""
    return _find("schemas", f"{name}.schema.json")


def prompt(name: str) -> str:
    """Return the path of ``prompts/<name>.md``, one of the shipped prompts.  Raises LoopsError when there is none."""
    return _find("prompts", f"{name}.md")


def repository() -> str:
    """Return the git checkout that this engine runs from; empty when it is installed as a package."""
    return _REPOSITORY if os.path.exists(os.path.join(_REPOSITORY, ".git")) else ""


def _find(folder: str, name: str) -> str:
    for root in (_PACKAGED, _REPOSITORY):
        path = os.path.join(root, folder, name)
        if os.path.isfile(path):
            return path
    raise LoopsError(
        f"{folder}/{name} does not come with this engine ({_PACKAGE}): install it again, or check the name"
    )
