"""`loops new`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb

TEMPLATES = ("builder-adversary", "solo", "reviewers")
"""The values of `loops.projects.scaffold.Template`, which would cost every start its import."""


def _new(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="in lower case, words joined by dashes; also that of its directory"
    )
    parser.add_argument(
        "--dir", default=".", metavar="PARENT", help="where NAME is made (default: here); made if missing"
    )
    engine = parser.add_mutually_exclusive_group()
    engine.add_argument(
        "--engine",
        metavar="REF",
        help="pin the engine as the submodule engine/, at this tag, branch or commit (default: the installed loops runs it)",
    )
    engine.add_argument("--flake", metavar="REF", help="pin the engine as the input of a flake.nix instead")
    parser.add_argument(
        "--engine-url", default="", metavar="URL", help="the engine's repository (default: that of this engine)"
    )
    parser.add_argument("--prefix", default="", help="session_prefix (default: NAME and a dash)")
    parser.add_argument(
        "--template",
        choices=TEMPLATES,
        default=TEMPLATES[0],
        help="who works: a Builder and an Adversary (default), one agent whom the phase's checks judge, or a Builder and "
        "two reviewers",
    )
    parser.add_argument(
        "--register",
        metavar="FLEET",
        help="enter it into this fleet.toml, or the one in this directory, as the last step",
    )
    parser.add_argument(
        "--backend", default="claude", metavar="NAME", help="claude (default), codex, opencode, pi or demo"
    )


VERBS: tuple[Verb, ...] = (
    Verb(
        "new",
        "make a project: a git repository with its configuration, prompts and engine",
        "loops new recipes --dir ~/projects --engine v0.2.0 --template reviewers",
        "new:new",
        _new,
    ),
)
