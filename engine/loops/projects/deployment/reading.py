"""Read a live or staged deployment from where it lies.  Nothing is written, and nothing of it is run."""

from __future__ import annotations

import os
from dataclasses import replace

from loops.config.problems import ConfigProblems, Problem
from loops.places import CONFIG_NAME
from loops.projects.deployment import configured, launchers
from loops.projects.deployment.environment import Environment, gather
from loops.projects.deployment.files import Files
from loops.projects.deployment.launcher_kickoffs import MAIN
from loops.projects.deployment.model import Deployment, Untranslated
from loops.projects.deployment.surroundings import Surroundings

_MARKS = (MAIN, "launch.sh", ".phases-spec")
"""By which a directory of launchers is known."""


_NOTHING = Surroundings()


def read(source: str, around: Surroundings = _NOTHING) -> Deployment:
    """Read the deployment at *source*: a directory, an agents.toml, a ``.service`` unit or an environment file.

    *around* says with which environment launchers are started.

    Raises:
        LoopsError: there is nothing that can be read as a deployment, with every mistake in it.
    """
    path = os.path.realpath(source)
    start = replace(
        around,
        unit=os.path.realpath(around.unit) if around.unit else "",
        env_files=tuple(map(os.path.realpath, around.env_files)),
    )
    if path.endswith(".service"):
        start = replace(start, unit=start.unit or path)
        return _of_directory(_started_in(path), start, source)
    if path.endswith(".toml"):
        return _configured(path, start)
    if os.path.isdir(path):
        return _of_directory(path, start, source)
    if not os.path.isfile(path):
        raise ConfigProblems([Problem(path, 0, "", "there is no such file or directory")])
    return _of_directory(os.path.dirname(path), replace(start, env_files=(path, *start.env_files)), source)


def _of_directory(root: str, start: Surroundings, source: str) -> Deployment:
    config = os.path.join(root, CONFIG_NAME)
    if os.path.isfile(config):
        return _configured(config, start)
    if not any(os.path.lexists(os.path.join(root, mark)) for mark in _MARKS):
        what = f"holds no deployment: neither {CONFIG_NAME} nor {', '.join(_MARKS)}; name another directory or file"
        raise ConfigProblems([Problem(root, 0, "", what)])
    files = Files(root)
    found, notes = _unit_beside(files) if not start.unit else (start.unit, ())
    environment = gather(files, found, start.env_files, start.settings)
    environment.untranslated[:0] = notes
    return launchers.read(root, environment, os.path.realpath(source), files)


def _configured(path: str, start: Surroundings) -> Deployment:
    """agents.toml says everything; what the environment of its start says besides is looked at all the same."""
    deployment = configured.read(path)
    if not start.unit and not start.env_files and not start.settings:
        return deployment
    files = Files(deployment.root or "/")
    environment = gather(files, start.unit, start.env_files, start.settings)
    return replace(
        deployment,
        secrets=tuple(environment.secrets),
        untranslated=(*deployment.untranslated, *environment.untranslated, *_unused(environment)),
        documents=tuple(sorted({*deployment.documents, *files.documents})),
    )


def _unused(environment: Environment) -> list[Untranslated]:
    why = "the engine reads agents.toml alone: if the agents need it, put it into env of [[agent]] or [backend]"
    return [Untranslated(setting.origin, f"the variable {name}", why) for name, setting in environment.settings.items()]


def unit_beside(root: str) -> str:
    """The unit that launchers in *root* are read with when none is named; empty: none."""
    return "" if os.path.isfile(os.path.join(root, CONFIG_NAME)) else _unit_beside(Files(root))[0]


def _unit_beside(files: Files) -> tuple[str, tuple[Untranslated, ...]]:
    """The unit that is kept beside the scripts, when there is one that starts them, and only one."""
    found = []
    for directory in ("systemd", "."):
        for name in files.names(directory):
            path = files.place(os.path.join(directory, name))
            if name.endswith(".service") and any(mark in (files.text(path) or "") for mark in _MARKS):
                found.append(path)
    if len(found) == 1:
        return found[0], ()
    if not found:
        return "", ()
    why = "several start the launchers, so none was taken: name the one in use with --unit"
    return "", (Untranslated(", ".join(map(files.shown, found)), "the unit that starts the launchers", why),)


def _started_in(unit: str) -> str:
    """The directory of the deployment that a unit starts."""
    environment = gather(Files(os.path.dirname(unit)), unit, (), {})
    marks = (CONFIG_NAME, "agents.py", *_MARKS)
    named = [
        os.path.dirname(word) for words in environment.started for word in words if os.path.basename(word) in marks
    ]
    places = [*named, environment.directory, os.path.dirname(os.path.dirname(unit)), os.path.dirname(unit)]
    for place in places:
        if place and any(os.path.isfile(os.path.join(place, mark)) for mark in (CONFIG_NAME, *_MARKS)):
            return os.path.realpath(place)
    what = "starts nothing that is known here: name the directory of the deployment, and this file with --unit"
    raise ConfigProblems([Problem(unit, 0, "", what)])
