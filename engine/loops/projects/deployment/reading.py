"""Read a live or staged deployment from where it lies.  Nothing is written, and nothing of it is run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from loops.config.problems import ConfigProblems, Problem
from loops.places import CONFIG_NAME
from loops.projects.deployment import configured
from loops.projects.deployment.model import Deployment


def read(
    source: str, *, unit: str = "", env_files: Sequence[str] = (), settings: Mapping[str, str] | None = None
) -> Deployment:
    """Read the deployment at *source*: a directory, an agents.toml, a ``.service`` unit or an environment file.

    *unit*, *env_files* and *settings* say with which environment launchers are started; a later one wins.

    Raises:
        LoopsError: there is nothing that can be read as a deployment, with every mistake in it.
    """
    path = os.path.realpath(source)
    if os.path.isdir(path) and os.path.isfile(os.path.join(path, CONFIG_NAME)):
        path = os.path.join(path, CONFIG_NAME)
    if path.endswith(".toml"):
        return configured.read(path)
    raise ConfigProblems([Problem(path, 0, "", "holds no deployment")])
