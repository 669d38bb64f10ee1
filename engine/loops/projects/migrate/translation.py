"""From a deployment's facts to the files of the staged project, and the account of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256

import loops
from loops.config.problems import ConfigProblems, Problem
from loops.places import CONFIG_NAME
from loops.projects.deployment.environment import is_secret
from loops.projects.deployment.facts import facts
from loops.projects.deployment.files import Files
from loops.projects.deployment.further import VARIABLE
from loops.projects.deployment.model import Deployment, Form, Untranslated
from loops.projects.deployment.surroundings import Surroundings
from loops.projects.migrate.composing import compose
from loops.projects.migrate.copies import Copies
from loops.projects.migrate.outcome import Copied, Migration, Reached, ReadFile, Rendered, Value
from loops.projects.migrate.rewriting import LOG_DIR, Change, rewrite
from loops.secrets.redaction import redact


@dataclass(frozen=True, slots=True)
class Translation:
    """The staged project's files by name, before its reports; and what was changed and left."""

    files: Mapping[str, bytes]
    copied: tuple[Copied, ...]
    changes: tuple[Change, ...]
    untranslated: tuple[Untranslated, ...]


def translate(deployment: Deployment) -> Translation:
    """Return the files that say the same as *deployment*.

    Raises:
        LoopsError: a file is gone or has changed since it was read, or holds a secret.
    """
    files = Files(deployment.root or "/")
    copies = Copies(deployment, files)
    changes: tuple[Change, ...] = ()
    if deployment.form is Form.LAUNCHERS:
        text = compose(deployment, copies, _credentials(deployment))
    else:
        text, changes = rewrite(_agents_toml(deployment, files), copies)
    copied = tuple(Copied(c.origin, c.to, c.digest, len(c.content)) for c in copies.by_name.values())
    contents = {CONFIG_NAME: text.encode(), **{copy.to: copy.content for copy in copies.by_name.values()}}
    return Translation(contents, copied, changes, (*_missing(deployment), *_open_secrets(deployment)))


def _missing(deployment: Deployment) -> Iterator[Untranslated]:
    """Documents that the live deployment names and does not have either."""
    for member in deployment.members:
        wakes = member.wakes.prompt if member.wakes is not None else None
        for document, what in ((member.prompt, "the prompt"), (wakes, "the wake's prompt")):
            if document is not None and not document.digest:
                why = "there is no such file in the live deployment either: write it before this agent is started"
                yield Untranslated(document.path, f"{what} of {member.name}", why)


def _open_secrets(deployment: Deployment) -> Iterator[Untranslated]:
    """Variables of agents.toml that are secrets by their names: they stand there as they did, for all who read it."""
    for member in deployment.members:
        for key in member.further or {}:
            name = key.removeprefix(VARIABLE)
            if name != key and is_secret(name, "something"):
                why = f"it stands in agents.toml as it did: let it be a credential instead, {name} = {credential_name(name)!r}"
                yield Untranslated(f"env of {member.name}", f"the value of {name}, a secret by its name", why)


def _agents_toml(deployment: Deployment, files: Files) -> str:
    raw = files.bytes(deployment.source) or b""
    text = raw.decode("utf-8-sig")
    for number, line in enumerate(text.split("\n"), 1):
        if redact(line) != line:
            why = "seems to hold a secret, which must not get into a repository: let it be a credential"
            raise ConfigProblems([Problem(deployment.source, number, "", why)])
    return text


def account(
    deployment: Deployment, translation: Translation, staged: Deployment, carried: bool, told: Surroundings
) -> Migration:
    """Return the account of the migration; *staged* is what the files say when they are read."""
    files = Files(deployment.root or "/")
    steps, at = deployment.steps or (), deployment.at
    return Migration(
        source=deployment.source,
        form=deployment.form.value,
        root=deployment.root or "",
        told=told.lasting(),
        engine=loops.__version__,
        read=tuple(_read(files, deployment.documents)),
        copied=translation.copied,
        changes=translation.changes,
        values=tuple(_values(deployment, staged)),
        kickoffs=tuple(
            Rendered(phase, agent, sha256(text.encode("utf-8", "surrogateescape")).hexdigest())
            for (phase, agent), text in (deployment.kickoffs or {}).items()
        ),
        untranslated=(*deployment.untranslated, *translation.untranslated),
        reached=Reached(
            carried,
            at,
            steps[at].id if at is not None and at < len(steps) else "",
            deployment.complete,
            {member.name: member.conversation for member in deployment.members if member.conversation},
        ),
        secrets=_credentials(deployment),
    )


def _credentials(deployment: Deployment) -> dict[str, str]:
    return {name: credential_name(name) for name in deployment.secrets}


def credential_name(variable: str) -> str:
    """Return the name of the credential for an environment variable: ``ANTHROPIC_API_KEY`` becomes ``anthropic-api-key``."""
    return re.sub(r"[^a-z0-9]+", "-", variable.lower()).strip("-") or "secret"


def _read(files: Files, paths: tuple[str, ...]) -> Iterator[ReadFile]:
    for path in paths:
        document = files.document(path)
        yield ReadFile(path, document.digest, document.size)


def _values(deployment: Deployment, staged: Deployment) -> Iterator[Value]:
    for place, value in facts(staged).items():
        if place.field == "log_dir":
            yield Value(str(place), LOG_DIR, "its own: two supervisors never share state")
            continue
        if place.subject == "kickoff" or place.field in ("present", "sha256", "prompt sha256", "wake prompt sha256"):
            continue
        yield Value(str(place), value, deployment.origins.get(str(place), "the engine's default"))
