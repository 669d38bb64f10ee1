"""Write a staged project from a deployment's facts: all of it or nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from loops.boot.git import git
from loops.config.loading import load
from loops.errors import LoopsError, UsageError
from loops.places import CONFIG_NAME
from loops.projects.deployment import configured, engine_state
from loops.projects.deployment.model import Deployment, Form
from loops.projects.deployment.surroundings import Surroundings
from loops.projects.migrate import carrying, reports
from loops.projects.migrate.checking import differences
from loops.projects.migrate.outcome import Migration
from loops.projects.migrate.rewriting import LOG_DIR
from loops.projects.migrate.translation import Translation, account, translate

REPORT, FACTS = "MIGRATION.md", "migration.json"


class NotStaged(LoopsError):
    """The deployment cannot be staged; nothing was written."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What was written.  Paths are absolute."""

    root: str
    config_path: str
    report: str
    """MIGRATION.md, for the operator."""
    facts: str
    """migration.json, for programs (``schemas/migration.schema.json``)."""
    migration: Migration
    """What became of what."""


def stage(deployment: Deployment, to: str, *, carry_state: bool = False, told: Surroundings | None = None) -> Staged:
    """Write the staged project of *deployment* into the directory *to*, which must not exist or be empty.

    With *carry_state* its first start goes on with the phase and the conversations of the live deployment.  *told*: the
    words by which *deployment* was read, for the report.

    Raises:
        LoopsError: it cannot be translated, or *to* is no place for it; nothing was written.
    """
    to = os.path.realpath(to)
    _refuse(deployment, to, carry_state)
    translation = translate(deployment)
    try:
        beside = tempfile.mkdtemp(prefix=f".{os.path.basename(to)}.", dir=os.path.dirname(to))
    except OSError as error:
        raise UsageError(f"{os.path.dirname(to)}: {error.strerror}; make that directory, or name another") from error
    try:
        migration = _write(beside, translation, deployment, carry_state, told or Surroundings())
        os.rename(beside, to)
        beside = to
        config = load(os.path.join(to, CONFIG_NAME))
        left = tuple(str(each) for each in carrying.carry(config, deployment) if each.why) if carry_state else ()
        if left:
            migration = replace(migration, reached=replace(migration.reached, left=left))
            _write_reports(to, migration, "wb")
            if shutil.which("git"):
                git(to, "commit", "--quiet", "--all", "--amend", "--no-edit")
    except BaseException as error:
        shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError):
            raise NotStaged(f"{error.filename or to}: {error.strerror}; nothing was written") from error
        raise
    return Staged(
        to,
        config.path,
        os.path.join(to, REPORT),
        os.path.join(to, FACTS),
        migration,
    )


def _refuse(deployment: Deployment, to: str, carry_state: bool) -> None:
    """Raise unless there is something to stage, and *to* is a place where it harms nobody."""
    if deployment.form is Form.STATUS or deployment.root is None:
        raise NotStaged(
            f"{deployment.source}: a captured status tells too little to stage: name the deployment's directory"
        )
    if os.path.lexists(to) and not (os.path.isdir(to) and not os.listdir(to)):
        raise UsageError(f"{to}: is there already; name a directory that does not exist, or that is empty")
    homes = {deployment.root, *(member.dir for member in deployment.members if member.dir)}
    for home in sorted(map(os.path.realpath, homes)):
        if to == home or to.startswith(f"{home}/"):
            raise UsageError(
                f"{to}: lies in {home}, which the live deployment works in: name a directory outside of it"
            )
    if not carry_state:
        return
    torn = [note for note in deployment.untranslated if note.what == engine_state.INDEX]
    if torn:
        said = "\n".join(f"{note.place}: {note.why}" for note in torn)
        raise NotStaged(f"{deployment.source}: the state cannot be carried, so nothing was written:\n{said}")
    if deployment.at is None and not any(member.conversation for member in deployment.members):
        what = "neither the index of a phase nor a conversation is there"
        raise NotStaged(f"{deployment.source}: there is no state to carry: {what}; leave --carry-state out")


def _write(
    root: str, translation: Translation, deployment: Deployment, carry_state: bool, told: Surroundings
) -> Migration:
    """Write everything into *root*, and show that it is the same deployment."""
    _write_files(root, translation.files)
    path = os.path.join(root, CONFIG_NAME)
    staged = configured.read(path, deployment.form if deployment.form is Form.ENGINE else Form.LOOPS)
    unequal = differences(deployment, staged)
    if unequal:
        raise NotStaged(
            f"{deployment.source}: what was staged is not the same deployment, so nothing was written:\n"
            + "\n".join(map(str, unequal))
        )
    migration = account(deployment, translation, staged, carry_state, told)
    _write_reports(root, migration)
    _write_files(root, {".gitignore": f"/{LOG_DIR}/\n".encode()})
    mask = os.umask(0)
    os.umask(mask)
    os.chmod(root, 0o777 & ~mask)
    if shutil.which("git"):
        git(root, "init", "--quiet", "--initial-branch=main", root)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", "--message", "Stage the project")
    return migration


def _write_reports(root: str, migration: Migration, mode: Literal["xb", "wb"] = "xb") -> None:
    made = {REPORT: reports.as_markdown(migration), FACTS: reports.as_json(migration)}
    _write_files(root, {name: text.encode() for name, text in made.items()}, mode)


def _write_files(root: str, files: Mapping[str, bytes], mode: Literal["xb", "wb"] = "xb") -> None:
    for name, content in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, mode) as file:
            file.write(content)
