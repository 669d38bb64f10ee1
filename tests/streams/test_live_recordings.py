"""How whole runs of the real codex and pi end: what the supervisor is told, from recordings of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from loops.streams.normaliser import Normaliser

RECORDED = Path(__file__).parent / "recorded"
TOLD = ("turn.", "approval.", "session.resumed", "provider.unavailable", "limit.reached")


def told(backend: str, name: str) -> list[str]:
    """The events that end or begin something, in their order: ``type`` or ``type/class``."""
    entries = [json.loads(line) for line in (RECORDED / backend / f"live-{name}.jsonl").read_text().splitlines()]
    resumed = next((json.loads(e["line"])["params"]["threadId"] for e in entries if '"thread/resume"' in e["line"]), "")
    normaliser = Normaliser(backend, "", "one.1", "one", "", conversation=resumed)
    found = []
    for second, entry in enumerate(entries):
        line = entry["line"].rstrip("\n").encode("utf-8", "surrogateescape")
        for event in normaliser.feed(entry["stream"], line, 1795266000.0 + second):
            kind, class_ = event.type.removeprefix("dev.loops."), event.data.get("class", "")
            if kind.startswith(TOLD) or class_ == "resume_failed":
                found.append(f"{kind}/{class_}" if class_ else kind)
    return found


WELL = ["turn.started", "turn.completed"]
ASKED = ["turn.started", "approval.requested"]


@pytest.mark.parametrize("backend", ["codex", "pi"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("slow", WELL),
        ("ok", WELL * 2),
        ("flaky500", WELL),
        ("interrupt", WELL * 2),
        ("hang-interrupt", WELL),
        ("approval-granted", [*ASKED, "approval.granted", "turn.completed"]),
        ("approval-denied-reason", [*ASKED, "approval.denied", "turn.failed/denied"]),
        ("killed", ["turn.started"]),
        ("resume-unknown", ["error/resume_failed"]),
        ("badmodel", ["turn.started", "turn.failed/model_not_found"]),
        ("context", ["turn.started", "turn.failed/context_overflow"]),
    ],
)
def test_codex_and_pi_tell_the_same_of_the_same(backend: str, name: str, expected: list[str]) -> None:
    assert told(backend, name) == expected


@pytest.mark.parametrize("name", ["resumed-other-model", "resumed-after-kill"])
def test_a_resumed_thread_of_codex_is_told_as_resumed(name: str) -> None:
    assert told("codex", name) == ["session.resumed", *WELL]


@pytest.mark.parametrize(
    ("backend", "name", "last"),
    [
        ("codex", "limit", "turn.failed/limit_reached"),
        ("codex", "billing", "turn.failed/billing"),
        ("codex", "e401", "turn.failed/auth"),
        ("codex", "e403", "turn.failed/auth"),
        ("codex", "e429", "turn.failed/rate_limit"),
        ("codex", "e500", "turn.failed/provider_unavailable"),
        ("codex", "cut", "turn.failed/truncated"),
        ("pi", "limit", "turn.failed/billing"),
        ("pi", "e401", "turn.failed/auth"),
        ("pi", "e429", "turn.failed/rate_limit"),
        ("pi", "e500", "turn.failed/provider_unavailable"),
        ("pi", "refused", "turn.failed/provider_unavailable"),
        ("pi", "cut", "turn.failed/truncated"),
    ],
)
def test_a_turn_fails_for_what_was_the_matter(backend: str, name: str, last: str) -> None:
    assert told(backend, name)[-1] == last


@pytest.mark.parametrize("backend", ["codex", "pi"])
@pytest.mark.parametrize("name", ["refused", "e500"])
def test_that_nobody_is_at_the_provider_is_told_once_with_the_first_retry(backend: str, name: str) -> None:
    assert told(backend, name)[1] == "provider.unavailable/provider_unavailable"
    assert told(backend, name).count("provider.unavailable/provider_unavailable") == 1


def test_a_question_about_a_change_of_files_names_them() -> None:
    normaliser = Normaliser("codex", "", "one.1", "one", "")
    change = {"path": "/repo/hello.txt", "kind": {"type": "add"}, "diff": "hi\n"}
    item = {"type": "fileChange", "id": "call_3", "changes": [change], "status": "inProgress"}
    ask = {"threadId": "t", "turnId": "u", "itemId": "call_3", "startedAtMs": 1795268627034, "reason": None}
    lines = [
        {"method": "item/started", "params": {"item": item, "threadId": "t", "turnId": "u"}},
        {"method": "item/fileChange/requestApproval", "id": 0, "params": ask},
    ]
    events = [event for line in lines for event in normaliser.feed("out", json.dumps(line).encode(), 1795268627.0)]
    asked = next(event for event in events if event.type.endswith("approval.requested"))
    assert asked.data["text"] == "/repo/hello.txt"
    assert asked.data["input"]["paths"] == ["/repo/hello.txt"]
