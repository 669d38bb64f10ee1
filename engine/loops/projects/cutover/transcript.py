"""The transcript of a rehearsal: every command with its output, exit code and duration."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loops.projects.cutover.rehearsed import Asked, Verdict


def lines(asked: Asked, verdict: Verdict, out: str, said: Sequence[str]) -> Iterator[str]:
    """In Markdown.  *out*: where the inside wrote its records; *said*: what it said meanwhile."""
    yield f"# Rehearsal of the cutover of {asked.plan.ground.live}"
    yield ""
    yield f"Plan {asked.plan.digest[:16]}; {'PASSED' if verdict.passed else 'FAILED'}."
    for each in verdict.rounds:
        yield f"- {each.name}: {each.course}, {each.seconds:g} s {each.why}".rstrip()
    for left in verdict.left_out:
        yield f"- not as in reality: {left}"
    yield ""
    yield "## Every command"
    for facts in _entries(os.path.join(out, "record.jsonl")):
        if facts["mark"] == "ran":
            yield ""
            yield f"    [{facts['round']} / {facts['step']}] $ {facts['command']}"
            for line in str(facts["output"]).splitlines():
                yield f"    {line}"
            yield f"    exit {facts['code']} after {facts['seconds']:g} s"
        else:
            yield ""
            yield f"**{facts['mark']}** {facts['step']} {facts['detail']}".rstrip()
    yield ""
    yield "## What was said"
    yield ""
    yield from (f"    {line}" for line in said)


def _entries(path: str) -> Iterator[Mapping[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except FileNotFoundError:
        return
