"""``loops new``: a project as a git repository of its own, whole or not at all.

Everything is made in a hidden directory beside the place it shall have, and moved there with one rename; what fails, or is
interrupted, takes back what it made.  A project knows nothing of those beside it, nor of any list that names it.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from loops import config as configuration
from loops.boot.git import git, git_or_none
from loops.errors import ConfigError, LoopsError, UsageError
from loops.places import CONFIG_NAME
from loops.projects import new_ending, new_engine, scaffold
from loops.projects.fleet.engines import Engine
from loops.projects.new_engine import Kind, Pin
from loops.projects.new_names import Neighbour, around, check_name, collision, free_prefix
from loops.projects.scaffold import Template


@dataclass(frozen=True, slots=True)
class Order:
    """What is wanted.

    Attributes:
        name: of the project and its directory.
        parent: the directory that it shall lie in, made if missing.
        prefix: session_prefix; empty: the name and a dash.
        engine: how the engine is pinned, and by ``ref`` (tag, branch or commit) at ``url`` (empty: that of this engine).
        neighbours: projects of this host that do not lie in ``parent``.
    """

    name: str
    parent: str = "."
    prefix: str = ""
    template: Template = Template.BUILDER_ADVERSARY
    backend: str = "claude"
    engine: Kind = Kind.NONE
    ref: str = ""
    url: str = ""
    neighbours: Sequence[Neighbour] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """What was made.  ``loops``: how the command is typed in the project's directory."""

    root: str
    prefix: str
    commit: str
    pin: Pin | None
    loops: str


def create(order: Order, last: Callable[[Made], object] = lambda made: None) -> Made:
    """Make the project; *last* is called when it is in its place, and what it raises takes the project back.

    Raises:
        UsageError: the name, the prefix or the engine cannot be used, or something is in the way; nothing was made.
        LoopsError: git or the disk refused; nothing was left.
    """
    check_name(order.name)
    parent = os.path.abspath(order.parent)
    root = os.path.join(parent, order.name)
    new_ending.sweep(parent, order.name)
    if os.path.lexists(root):
        raise UsageError(f"{root}: is there already, and is not written over; choose another name or --dir")
    prefix = _free(order, parent)
    texts = scaffold.first_files(prefix, order.template, order.backend)
    url = new_engine.engine_url(order.url) if order.engine is not Kind.NONE else ""
    try:
        with _made(parent), new_ending.workshop(parent, order.name) as shop:
            draft = os.path.join(shop, order.name)
            os.mkdir(draft)
            git(draft, "init", "--quiet", "--initial-branch=main")
            pin = new_engine.fetch(url, order.ref, draft, order.engine) if url else None
            loops = _COMMANDS[order.engine]
            _write(draft, {**texts, **_own_files(order, pin, loops)})
            _check(draft, root, pin)
            if pin is not None:
                _keep_engine(draft, order.engine, pin)
            commit = _first_commit(draft, root)
            made = Made(root, prefix, commit, pin, loops)
            _place(draft, root, lambda: last(made))
            return made
    except OSError as error:
        raise LoopsError(f"{error.filename or parent}: {error.strerror}; nothing was made") from error


def _free(order: Order, parent: str) -> str:
    """The prefix, if no session of a neighbour could be taken for one of this project."""
    prefix = order.prefix or f"{order.name}-"
    neighbours = [*order.neighbours, *around(parent)]
    taken = collision(prefix, neighbours)
    if taken is None:
        return prefix
    other = free_prefix(order.name, neighbours)
    remedy = f"--prefix {other}" if other else "another one with --prefix"
    same = (
        f"is that of {taken.name}" if prefix == taken.prefix else f"begins like that of {taken.name}, {taken.prefix!r}"
    )
    if len(prefix) < len(taken.prefix):
        same = f"is the beginning of that of {taken.name}, {taken.prefix!r}"
    raise UsageError(
        f"the session_prefix {prefix!r} {same} ({taken.place}): their sessions could be mistaken for each other; name {remedy}"
    )


# ---- what is in it -----------------------------------------------------------------------------------------------------


_COMMANDS = {
    Kind.NONE: "loops",
    Kind.SUBMODULE: f"python3 {new_engine.FOLDER}/agents.py",
    Kind.FLAKE: "nix run . --",
}
"""How `loops` is typed in the project's directory."""


def _keep_engine(draft: str, kind: Kind, pin: Pin) -> None:
    """A submodule stays; for a flake, Nix fetches what its URL names."""
    if kind is Kind.SUBMODULE:
        new_engine.add_submodule(draft, pin)
    else:
        shutil.rmtree(os.path.join(draft, new_engine.FOLDER))


def _own_files(order: Order, pin: Pin | None, loops: str) -> dict[str, str]:
    agents = scaffold.AGENTS[order.template]
    clones = "\n".join(f"$ git clone URL work/{agent}" for agent in agents)
    values = {"NAME": order.name, "LOOPS": loops, "CLONES": clones, **_about_engine(order.engine, pin)}
    files = {".gitignore": scaffold.filled("gitignore"), "README.md": scaffold.filled("project-readme.md", values)}
    if pin is not None and order.engine is Kind.FLAKE:
        inputs = {"NAME": order.name, "REF": pin.ref, "URL": new_engine.flake_url(pin)}
        files["flake.nix"] = scaffold.filled("flake.nix", inputs)
    return files


def _about_engine(kind: Kind, pin: Pin | None) -> dict[str, str]:
    """The rows of the README that speak of the engine."""
    if pin is None:
        return {"ENGINE": "| the engine | the `loops` that is installed on the machine |", "CLONE": ""}
    at = f"{pin.commit[:10]} ({pin.ref})"
    if kind is Kind.SUBMODULE:
        clone = "Clone it with `git clone --recurse-submodules`. The engine sets itself up: `engine/dev setup`, once a clone.\n"
        return {"ENGINE": f"| `engine/` | the engine, a submodule pinned at {at} |", "CLONE": clone}
    clone = (
        "It needs Nix with flakes, and nothing else. Commit the `flake.lock` that the first command writes. On a NixOS machine,\n"
        "import `nixosModules.default` of this flake.\n"
    )
    return {"ENGINE": f"| `flake.nix` | the engine, an input pinned at {at} |", "CLONE": clone}


def _write(draft: str, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = os.path.join(draft, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "x", encoding="utf-8") as file:
            file.write(text)


def _check(draft: str, root: str, pin: Pin | None) -> None:
    """Load what was written, as `loops validate` will, and have the pinned engine do it."""
    config = configuration.load(os.path.join(draft, CONFIG_NAME))
    problems = configuration.check_files(config)
    if problems:
        told = "; ".join(f"{each.key}: {each.message}" for each in problems).replace(draft, root)
        raise LoopsError(f"{root}: the project would not be valid: {told}")
    if pin is None:
        return
    try:
        Engine(os.path.join(draft, new_engine.FOLDER), pin.commit).accept(config.path)
    except ConfigError as error:
        said = str(error).replace(draft, root)
        raise LoopsError(f"{pin.ref} is too old for this template, or broken: pin another engine; {said}") from error


def _first_commit(draft: str, root: str) -> str:
    git(draft, "add", "--all", "--force")  # a user may have git ignore, everywhere, what is a project's own
    try:
        git(draft, "commit", "--quiet", "--no-verify", "-m", f"Begin {os.path.basename(root)}", env=_author(draft))
    except LoopsError as error:  # such as a signature that the user's git asks for
        said = str(error).replace(draft, root)
        raise LoopsError(f"{said}; nothing was made") from error
    return git(draft, "rev-parse", "HEAD")


def _author(draft: str) -> dict[str, str]:
    """Who commits: the user, as far as git knows a name; a machine where it knows none gets a commit all the same."""
    now = f"{int(time.time())} +0000"
    found = {}
    for what, unknown in (("name", "loops"), ("email", "loops@localhost")):
        for role in ("AUTHOR", "COMMITTER"):
            key = f"GIT_{role}_{what.upper()}"
            found[key] = os.environ.get(key) or git_or_none(draft, "config", f"user.{what}") or unknown
            found[f"GIT_{role}_DATE"] = now
    return found


# ---- all or nothing ----------------------------------------------------------------------------------------------------


@contextmanager
def _made(directory: str) -> Iterator[None]:
    """Have *directory*; take back what was made of it when the body fails."""
    missing = []
    while not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    made: list[str] = []
    try:
        for path in reversed(missing):
            made.append(path)
            try:
                os.mkdir(path)
            except FileExistsError:  # somebody else made it just now, or it is a file
                made.pop()
                if not os.path.isdir(path):
                    raise UsageError(f"{path}: is in the way and no directory; nothing was made") from None
        yield
    except BaseException:
        for path in reversed(made):
            with suppress(OSError):  # somebody uses it by now
                os.rmdir(path)
        raise


def _place(draft: str, root: str, last: Callable[[], object]) -> None:
    """Move the draft to *root*, which must not be there; move it back when *last* fails."""
    placed = False
    try:
        with new_ending.held():
            _move(draft, root)
            placed = True
        last()
    except BaseException:
        if placed:
            os.rename(root, draft)
        raise


def _move(draft: str, root: str) -> None:
    try:
        os.mkdir(root)  # the claim on the name: a rename alone would take the place of somebody's empty directory
    except FileExistsError:
        raise UsageError(f"{root}: is there by now, and is not written over; choose another name") from None
    try:
        os.rename(draft, root)
    except OSError:
        os.rmdir(root)
        raise
