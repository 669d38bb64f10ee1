"""`loops gate ...`."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb


def _gate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("label", metavar="LABEL", help="the gate, such as M1")
    parser.add_argument(
        "--phase", default="", metavar="ID", help="whose STATUS-ID.md and BACKLOG-ID.md (default: the only ones there)"
    )
    parser.add_argument(
        "--box",
        default="",
        metavar="ID",
        help="the gate's own entry in the backlog, which may be open (default: the one called LABEL, or `Claim the gate`)",
    )
    for name, help_text in (
        ("what", "what is claimed"),
        ("how", "how to verify it cold, from a fresh clone"),
        ("expected", "what the verification must show"),
        ("where", "which files, commits or pages"),
    ):
        parser.add_argument(f"--{name}", default="", metavar="TEXT", help=f"{help_text} (default: as STATUS says)")


VERBS: tuple[Verb, ...] = (
    Verb(
        "gate claim",
        "claim a gate of a work list: all is committed, pushed and ticked, or every reason is told",
        "loops gate claim M1 --phase poe2e --box B9 --what 'a staged project, at parity' --how docs/verify.md "
        "--expected 'no difference' --where machine-docs/STATUS-poe2e.md",
        "gate:claim",
        _gate,
    ),
    Verb(
        "gate check",
        "say whether a gate could be claimed, and claim nothing",
        "loops gate check M1 --phase poe2e --box B9",
        "gate:check",
        _gate,
    ),
)
