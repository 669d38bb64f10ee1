"""From the words of an operator to the two sides: where a deployment is read from."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

from loops.errors import ConfigError, LoopsError
from loops.projects.deployment import printed, reading
from loops.projects.deployment.environment import gather
from loops.projects.deployment.files import LARGEST, Files
from loops.projects.deployment.model import Deployment
from loops.projects.deployment.surroundings import Surroundings
from loops.projects.parity.asking import ask

STANDARD_INPUT = "-"
_READ = (".toml", ".service", ".env")
"""What no captured status is called."""


class SideError(ConfigError):
    """One side cannot be read.  Exit code 3: whether there is parity is not known."""


def read_live(source: str, around: Surroundings) -> Deployment:
    """Return the deployment at *source*: a directory, agents.toml, unit or environment file, or a captured status.

    Raises:
        ConfigError: it is none of them, with every mistake in it.
    """
    if source == STANDARD_INPUT:
        return printed.parse(sys.stdin.buffer.read(LARGEST).decode("utf-8", "replace"), "standard input")
    if os.path.isdir(source) or source.endswith(_READ):
        return _read(source, around)
    text = _text(source)
    try:
        return printed.parse(text, source)
    except LoopsError as no_status:
        try:
            return _read(source, around)
        except LoopsError as no_deployment:
            raise SideError(f"{no_status}\n{no_deployment}") from None


def read_staged(source: str) -> Deployment:
    """Return the staged project at *source*, or what a captured status tells of it."""
    return read_live(source, Surroundings())


def read_asked(command: str, around: Surroundings, *, within: float, trusted: bool) -> Deployment:
    """Return what *command*, run with the variables of *around*, prints of the live deployment."""
    variables = gather(Files(os.getcwd()), around.unit, around.env_files, around.settings).values
    asked = ask(command, within=within, trusted=trusted, settings=variables)
    found = printed.parse(asked.text, command)
    if not asked.confined:
        return found
    members = tuple(replace(member, state=None) for member in found.members)
    return replace(found, members=members, untold=(*found.untold, "agent *: state"))


def _read(source: str, around: Surroundings) -> Deployment:
    try:
        return reading.read(source, around)
    except ConfigError:
        raise
    except LoopsError as error:  # whose exit code would say that there is no parity
        raise SideError(str(error)) from None
    except OSError as error:
        raise SideError(f"{error.filename or source}: {error.strerror}") from None


def _text(source: str) -> str:
    raw = Files(os.getcwd()).bytes(source)
    if raw is None:
        raise SideError(f"{source}: there is no such file or directory: name a deployment, or a captured status")
    return raw.decode("utf-8", "replace")
