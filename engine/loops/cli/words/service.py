"""`loops service ...`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb


def _place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="in the units' names (default: the session_prefix)")
    parser.add_argument(
        "--user", action="store_true", help="for your own service manager (systemctl --user) instead of the system's"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _units(parser: argparse.ArgumentParser) -> None:
    _place(parser)
    parser.add_argument(
        "--run-as", default="", metavar="USER", help="whose agents they are (default: who owns agents.toml)"
    )
    parser.add_argument("--path", default="", help="PATH of the agents (default: the system's, and ~/.local/bin)")
    parser.add_argument(
        "--credential",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="hand FILE to the supervisor as the credential NAME; may be given several times",
    )
    parser.add_argument(
        "--writable",
        action="append",
        default=[],
        metavar="DIR",
        help="a directory that agents may write, such as a git remote; may be given several times (always writable: the "
        "project, the agents' directories, the user's home, /tmp)",
    )
    for name, what in (
        ("memory-high", "above this much memory the agents are slowed down"),
        ("memory-max", "above this much the largest of their processes is killed"),
        ("tasks-max", "processes and threads of all agents together"),
        ("cpu-weight", "their share of a busy machine; the supervisor has 100"),
    ):
        parser.add_argument(f"--{name}", default="", metavar="N", help=what)
    parser.add_argument(
        "--forget",
        action="store_true",
        help="start from nothing: else what was said at the last installation still holds where it is not said anew, and "
        "further --credential and --writable are added",
    )


def _prepare(parser: argparse.ArgumentParser) -> None:
    # --config, which every verb has, names here what its agents.toml shall be
    parser.add_argument("--root", required=True, metavar="DIR", help="the project's directory, made if missing")
    parser.add_argument(
        "--source", default="", metavar="URL", help="the project's own repository, or a plain directory"
    )
    parser.add_argument(
        "--revision", default="", metavar="REV", help="a commit, tag or branch of it (default: its HEAD)"
    )
    parser.add_argument(
        "--clone",
        action="append",
        default=[],
        metavar="DIR=URL",
        help="an agent's clone, made if missing and never touched again; may be given several times",
    )


VERBS: tuple[Verb, ...] = (
    Verb(
        "service install",
        "have systemd run the project, from every boot on",
        "loops service install --credential anthropic=/root/anthropic-key --memory-max 8G",
        "service:install",
        _units,
    ),
    Verb(
        "service uninstall",
        "end the project's service; what the agents made stays",
        "loops service uninstall --user",
        "service:uninstall",
        _place,
    ),
    Verb(
        "service print",
        "print the units that would be installed",
        "loops service print --user",
        "service:show",
        _units,
    ),
    Verb(
        "service prepare",
        "put a project in its place before its supervisor starts (ExecStartPre)",
        "loops service prepare --root /var/lib/loops/demo --config /etc/loops/demo.toml --source https://example.org/demo.git",
        "service:prepare",
        _prepare,
    ),
)
