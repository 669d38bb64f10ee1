"""By what the live side is read, in a rehearsal's copy: its unit, its files of variables, the rules of the comparison.

They may lie anywhere.  Of a file of variables the copy has what the runbook may show, and no more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Container, Iterator, Sequence

from loops.isolation import surroundings
from loops.isolation.sandbox import Mount, within
from loops.projects.cutover import copying
from loops.projects.cutover.rehearsed import Asked
from loops.projects.deployment import unit_file


def lay(asked: Asked, trees: Sequence[str], copy: str, found: copying.Copied) -> list[str]:
    """Put them into *copy*; return those that lie in none of *trees*, and have to be shown by themselves.

    Raises:
        OSError: the copy cannot be written.
    """
    ground = asked.plan.ground
    named = dict.fromkeys(path for path in (ground.unit_file, ground.allow, *asked.env_files) if os.path.isfile(path))
    apart = [path for path in named if not any(within(path, tree) for tree in trees) and not _of_the_system(path)]
    for path in apart:
        if path not in asked.env_files:
            copying.copy(os.path.realpath(path), copy + path, found=found)
    for path in asked.env_files:
        if path in named and not _of_the_system(path):
            _lay_variables(path, copy, asked.shown, found)
    return [path for path in apart if os.path.isfile(copy + path)]


def _of_the_system(path: str) -> bool:
    """Whether it is seen inside as it is."""
    real = os.path.realpath(path)
    return any(within(real, each.path) for each in surroundings.system() if isinstance(each, Mount))


def _lay_variables(path: str, copy: str, shown: Container[str], found: copying.Copied) -> None:
    target = copy + path
    os.makedirs(os.path.dirname(target), exist_ok=True)
    if os.path.realpath(os.path.dirname(target)) != os.path.realpath(copy) + os.path.dirname(path):
        found.left_out.append(f"{path}: lies behind a link, which leads out of the copy")
        return
    with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
        text = file.read()
    if os.path.lexists(target):
        os.unlink(target)  # it may be a link to the original
    with open(target, "x", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.writelines(variables(text, shown))
    found.left_out.append(f"{path}: of its variables only those that the runbook shows")


def variables(text: str, shown: Container[str]) -> Iterator[str]:
    """Yield the lines of a file of variables that sets of those in *text* the *shown* ones alone, to the same values."""
    for each in unit_file.environment_file(text):
        if each.value is not None and each.name in shown:
            yield f'{each.name}="{_quoted(each.value)}"\n'


def _quoted(value: str) -> str:
    return re.sub(r'(["\\`$])', r"\\\1", value)
