"""`loops untouched ...`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb


def _baseline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "paths",
        nargs="*",
        metavar="PATH",
        help="every file, directory and symlink below it; links are not followed, and nothing but a regular file is opened",
    )
    parser.add_argument(
        "--to", required=True, metavar="FILE", help="where the baseline goes: a new file, outside of every PATH"
    )
    for name, metavar, what in (
        ("tmux", "SOCKET", "the sessions of the tmux server at this socket; none is ever started"),
        ("process", "PATTERN", "processes whose command line fits this regular expression"),
        ("cgroup", "PATH", "processes of this cgroup and of those below it, as /proc/PID/cgroup names it"),
        ("unit", "GLOB", "units of systemd; user:NAME for those of your own service manager"),
        ("repo", "DIR", "a git repository: its refs, index, worktree, stash and configuration"),
        ("own", "RULES", "a file of rules for what this live system does to its own things, kept in the baseline"),
    ):
        parser.add_argument(
            f"--{name}", action="append", default=[], metavar=metavar, help=f"{what}; may be given several times"
        )
    parser.add_argument(
        "--tmux-all", action="store_true", help="every tmux server in /tmp/tmux-UID and $TMUX_TMPDIR, also later ones"
    )
    parser.add_argument("--ports", action="store_true", help="what listens: TCP, UDP and unix sockets")


def _check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="the baseline")
    parser.add_argument(
        "--rules",
        action="append",
        default=[],
        metavar="RULEFILE",
        help='more that the live system does by itself, as TOML: [[rule]] id = "notes", why = "...", thing = "file", '
        'changes = ["appended"], names = ["notes/**"]; may be given several times',
    )
    parser.add_argument("--report", action="store_true", help="every difference, as Markdown, to be kept as evidence")


VERBS: tuple[Verb, ...] = (
    Verb(
        "untouched baseline",
        "record how a live system looks, without touching it",
        "loops untouched baseline /srv/cc-ci --tmux-all --process 'launch\\.py' --repo /srv/cc-ci/cc-ci --to before.json",
        "untouched:baseline",
        _baseline,
    ),
    Verb(
        "untouched check",
        "say what changed since, and who could have done it: 1 if somebody touched it",
        "loops untouched check before.json --rules rules.toml",
        "untouched:check",
        _check,
    ),
)
