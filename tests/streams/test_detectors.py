"""What no single line says."""

from __future__ import annotations

from typing import Any

import pytest
from loops.streams.detectors import (
    ENDLESS_RETRIES,
    ENDLESS_SECONDS,
    SAME_CALLS,
    UNKNOWN_STEPS,
    VAIN_RETRIES,
    Detectors,
)
from loops.streams.event import Fact
from loops.streams.tools import completed, started
from loops.streams.usage import Tokens, used

DONE = Fact("turn.completed", {"stop_reason": "end_turn", "text": "Done."})
CANCELLED = Fact("turn.completed", {"stop_reason": "cancelled", "text": ""})
BEGUN = Fact("turn.started", {})


def retry(kind: str = "provider_unavailable", **more: Any) -> Fact:
    return Fact("retry.scheduled", {"class": kind, "message": "no", **more})


def see(facts: list[Fact], *, hides: bool = False, every: float = 1.0) -> list[Fact]:
    """Show the facts of one turn, one at a time, *every* so many seconds."""
    detectors = Detectors(hides)
    found = detectors.see([BEGUN], 0.0)[1:]
    for index, fact in enumerate(facts):
        found += detectors.see([fact], index * every)
    return found


def kinds(facts: list[Fact]) -> list[str]:
    return [fact.type for fact in facts]


def call(number: int, command: str = "ls", output: str = "a", status: str = "completed") -> list[Fact]:
    given = {"command": command}
    return [started(f"c{number}", "Bash", "execute", given), completed(f"c{number}", "Bash", status, output)]


# ---- retries -----------------------------------------------------------------------------------------------------------


def test_the_first_retry_says_that_the_provider_is_away_and_the_next_do_not() -> None:
    assert kinds(see([retry(), retry()])) == ["retry.scheduled", "provider.unavailable", "retry.scheduled"]


def test_after_progress_a_retry_is_a_first_one_again() -> None:
    said = Fact("message.assistant", {"text": "x"})
    assert kinds(see([retry(), said, retry()])).count("provider.unavailable") == 2


def test_a_limit_that_is_waited_for_is_said_as_such_and_never_ended() -> None:
    found = see([retry("limit_reached", resets_at=9e8)] * 50, every=100.0)
    assert kinds(found).count("limit.reached") == 1
    assert found[1].data == {"class": "limit_reached", "message": "no", "resets_at": 9e8, "retrying": True}
    assert "loop.suspected" not in kinds(found)


@pytest.mark.parametrize("kind", ["auth", "billing", "model_not_found"])
def test_retries_that_cannot_help_are_ended_soon(kind: str) -> None:
    found = see([*[retry(kind)] * VAIN_RETRIES, CANCELLED])
    assert kinds(found)[-2:] == ["loop.suspected", "turn.failed"]
    assert found[-1].data["class"] == kind


def test_very_many_retries_are_ended() -> None:
    found = see([*[retry()] * ENDLESS_RETRIES, CANCELLED])
    assert kinds(found)[-2:] == ["loop.suspected", "turn.failed"]
    assert (found[-2].data["pattern"], found[-1].data["class"]) == ("endless_retry", "provider_unavailable")


def test_retries_for_very_long_are_ended() -> None:
    assert "loop.suspected" in kinds(see([retry(), retry(), retry()], every=ENDLESS_SECONDS * 0.6))


def test_retries_with_progress_between_are_none_without_end() -> None:
    work = [fact for number in range(60) for fact in (retry(), *call(number, f"ls {number}"))]
    assert "loop.suspected" not in kinds(see(work, every=30.0))


def test_a_loop_is_suspected_once_a_turn() -> None:
    assert kinds(see([retry("auth")] * 30)).count("loop.suspected") == 1


def test_a_turn_that_fails_by_itself_keeps_its_class() -> None:
    failed = Fact("turn.failed", {"class": "billing", "message": "no"})
    assert see([*[retry("auth")] * VAIN_RETRIES, failed])[-1] == failed


# ---- loops -------------------------------------------------------------------------------------------------------------


def test_steps_that_end_without_a_reason_are_a_loop() -> None:
    step = used(Tokens(), finish="unknown")
    found = see([*[step] * UNKNOWN_STEPS, CANCELLED])
    assert kinds(found)[-2:] == ["loop.suspected", "turn.failed"]
    assert found[-1].data["class"] == "truncated"


def test_steps_without_a_reason_that_do_something_are_no_loop() -> None:
    facts = [fact for number in range(9) for fact in (*call(number, f"{number}"), used(Tokens(1, 1), finish="unknown"))]
    assert "loop.suspected" not in kinds(see(facts))


def test_the_same_call_with_the_same_result_again_and_again_is_a_loop() -> None:
    found = see([fact for number in range(SAME_CALLS) for fact in call(number)])
    (suspected,) = [fact for fact in found if fact.type == "loop.suspected"]
    assert (suspected.data["pattern"], suspected.data["count"]) == ("same_tool_call", SAME_CALLS)


def test_the_same_call_whose_result_changes_is_waiting() -> None:
    facts = [fact for number in range(SAME_CALLS * 3) for fact in call(number, output=str(number))]
    assert "loop.suspected" not in kinds(see(facts))


def test_silence_that_the_runner_noticed_ends_as_the_provider_s_fault() -> None:
    silence = Fact("loop.suspected", {"pattern": "silence", "count": 600})
    assert see([silence, CANCELLED])[-1].data["class"] == "provider_unavailable"


def test_a_turn_that_a_person_ended_is_cancelled() -> None:
    assert see([retry(), CANCELLED])[-1] == CANCELLED


# ---- failures taken for success ----------------------------------------------------------------------------------------


def test_a_turn_of_which_every_action_was_denied_failed() -> None:
    found = see([*call(1, status="declined"), *call(2, status="declined"), DONE])
    assert (found[-1].type, found[-1].data["class"]) == ("turn.failed", "denied")


def test_a_denial_that_is_told_late_counts_too() -> None:
    denied = Fact("approval.denied", {"tool": "Bash", "tool_call_id": "c1", "by": "policy"})
    assert see([*call(1, status="failed"), denied, DONE])[-1].data["class"] == "denied"


def test_a_turn_of_which_something_was_allowed_went_through() -> None:
    assert see([*call(1, status="declined"), *call(2), DONE])[-1] == DONE


def test_requests_without_any_action_are_refusals_where_the_backend_hides_them() -> None:
    request = used(Tokens(10, 5))
    assert see([request, request, DONE], hides=True)[-1].data["class"] == "denied"
    assert see([request, request, DONE])[-1] == DONE
    assert see([request, DONE], hides=True)[-1] == DONE


def test_an_empty_answer_was_cut() -> None:
    assert see([used(Tokens(), finish="stop"), DONE])[-1].data["class"] == "truncated"


def test_an_empty_answer_that_took_tokens_is_one() -> None:
    assert see([used(Tokens(10, 1), finish="stop"), DONE])[-1] == DONE


def test_a_new_turn_knows_nothing_of_the_one_before() -> None:
    detectors = Detectors()
    for fact in (BEGUN, *call(1, status="declined"), DONE, BEGUN):
        detectors.see([fact], 0.0)
    assert detectors.see([DONE], 0.0) == [DONE]
