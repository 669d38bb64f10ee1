"""The files that a configuration names: whether they are there.

This is asked by ``loops validate`` and ``loops doctor``, not by every load: a prompt that is missing for a moment,
while a checkout is switched, must not take the last good configuration out of force.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from loops import resources
from loops.config.model import Config, Kind
from loops.config.problems import ConfigProblems, Problem
from loops.errors import LoopsError


def check_files(config: Config) -> tuple[Problem, ...]:
    """Return a problem for each file that *config* names and that cannot be read, by line."""
    from loops.config.loading import read

    try:
        loaded = read(config.path)
        line = loaded.line if loaded.built.config.digest == config.digest else lambda row: 0
    except ConfigProblems:
        line = lambda row: 0  # noqa: E731  the file has changed since: its lines say nothing about this configuration
    problems = [Problem(config.path, line(row), row, message) for row, message in _missing(config)]
    return tuple(sorted(problems, key=lambda problem: (problem.line, problem.key)))


def _missing(config: Config) -> Iterator[tuple[str, str]]:
    loop = config.loop
    if loop.kickoff_template:
        folder, name = os.path.split(loop.kickoff_template)
        roles = (agent.role or agent.name for agent in config.agents.values() if agent.kind is Kind.LOOP)
        for each in dict.fromkeys(name.replace("{role}", role) for role in roles) or (name,):
            yield from _unreadable("loop.kickoff_template", os.path.join(folder, each))
    if loop.roles_dir and not os.path.isdir(loop.roles_dir):
        yield "loop.roles_dir", f"there is no directory {loop.roles_dir}"
    for agent in config.agents.values():
        row = f"agent.{agent.name}"
        if agent.kind is not Kind.SERVICE and agent.role:
            yield from _role(f"{row}.role", agent.role, loop.roles_dir)
        if agent.prompt_file:
            yield from _unreadable(f"{row}.prompt_file", agent.prompt_file)
        if agent.wake is not None:
            yield from _unreadable(f"{row}.wake.prompt_file", agent.wake.prompt_file)
    for phase in loop.phases:
        roots = [config.root, *([loop.handoff.repo] if loop.handoff else [])]
        if phase.plan and not any(os.path.isfile(os.path.join(root, phase.plan)) for root in roots):
            yield f"loop.phases.{phase.id}.plan", f"there is no file {phase.plan} in {' or '.join(roots)}"


def _role(row: str, role: str, roles_dir: str) -> Iterator[tuple[str, str]]:
    if roles_dir:
        if os.path.isdir(roles_dir):  # else that is the one thing to mend
            yield from _unreadable(row, os.path.join(roles_dir, f"{role}.md"))
        return
    try:
        resources.prompt(role)
    except LoopsError:
        yield row, f'no role "{role}" comes with the engine: name the directory of your own in roles_dir'


def _unreadable(row: str, path: str) -> Iterator[tuple[str, str]]:
    if not os.path.isfile(path):
        yield row, f"there is no file {path}"
    elif not os.access(path, os.R_OK):
        yield row, f"{path} may not be read by this user: change its owner or mode"
