"""A rehearsal says what it cannot play."""

from __future__ import annotations

from loops.projects.cutover.rehearsal import unplayed


def test_the_unit_that_no_rehearsal_disables_is_named() -> None:
    (said,) = unplayed("ci.service")

    assert said.startswith("ci.service: ")
    assert "`boot`" in said


def test_without_a_unit_all_is_played() -> None:
    assert unplayed("") == []
