"""`loops fleet ...`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb


def fleet_option(parser: argparse.ArgumentParser) -> None:
    """The option that every verb of a fleet has."""
    parser.add_argument(
        "--fleet",
        default="",
        metavar="PATH",
        help="fleet.toml, or its directory (default: $LOOPS_FLEET, else the nearest at or above the working directory)",
    )


def _name(parser: argparse.ArgumentParser) -> None:
    fleet_option(parser)
    parser.add_argument("name", metavar="NAME", help="the project, as fleet.toml names it")


def _add(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    parser.add_argument(
        "--location",
        required=True,
        metavar="PATH|URL",
        help="its repository: a directory, or a git URL, which is not cloned yet (`loops fleet update NAME` does)",
    )
    for name, metavar, help_text in (
        ("harness", "WORD", "what runs it (default: loops)"),
        ("ref", "REF", "mirror of its engine's pin: a tag, branch or commit (default: not mirrored)"),
        ("project-config", "PATH", "its agents.toml, relative to its root (default: agents.toml)"),
        ("dir", "PATH", "of a git URL: where its checkout is (default: checkouts/NAME beside fleet.toml)"),
    ):
        parser.add_argument(f"--{name}", default="", metavar=metavar, help=help_text)
    parser.add_argument(
        "--secrets",
        action="append",
        default=[],
        metavar="WHERE",
        help="where its secrets are, never their values; may be given several times",
    )
    parser.add_argument("--disabled", action="store_true", help="`loops fleet up` leaves it alone until enabled = true")


def _update(parser: argparse.ArgumentParser) -> None:
    _name(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--to",
        metavar="REF",
        help="pin its engine at this tag, branch or commit (default: only clone or fetch what is missing)",
    )
    which.add_argument("--undo", action="store_true", help="return to the pin before the last update")
    parser.add_argument("--dry-run", action="store_true", help="show what would change, and move nothing")


VERBS: tuple[Verb, ...] = (
    Verb(
        "fleet validate",
        "check fleet.toml and every project that it names",
        "loops fleet validate --fleet ~/fleet.toml",
        "fleet:validate",
        fleet_option,
    ),
    Verb("fleet list", "the projects of a fleet", "loops fleet list", "fleet:show_all", fleet_option),
    Verb("fleet get", "all about one project of a fleet", "loops fleet get cc-ci --json", "fleet:get", _name),
    Verb(
        "fleet add",
        "enter a project in fleet.toml",
        "loops fleet add cc-ci --location projects/cc-ci --ref v1.2.0 --secrets sops:secrets/cc-ci.yaml",
        "fleet:add",
        _add,
    ),
    Verb(
        "fleet remove",
        "take a project out of fleet.toml; the project itself stays as it is",
        "loops fleet remove cc-ci",
        "fleet:remove",
        _name,
    ),
    Verb(
        "fleet update",
        "move the engine's pin of a project, or take that back",
        "loops fleet update cc-ci --to v1.3.0 --dry-run",
        "fleet:update",
        _update,
    ),
)
