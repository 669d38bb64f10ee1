"""What projects must not have in common: found for every set of projects, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.config import Problem
from loops.config.fleet import Entry
from loops.projects.fleet.judge import is_ours, judge
from loops.projects.fleet.pins import Kind, Mirror, Pin
from loops.projects.fleet.survey import Sight

PIN = Pin(Kind.SUBMODULE, "a" * 40)


def sight(name: str, prefix: str = "", *, root: str = "", log_dir: str = "", **more: object) -> Sight:
    root = root or f"/srv/{name}"
    facts = {"remote": False, "there": True, "prefix": prefix, "log_dir": log_dir or f"{root}/.loops", **more}
    entry = facts.pop("entry", Entry(name, root))
    return Sight(entry, root, f"{root}/agents.toml", **facts)  # type: ignore[arg-type]


prefixes = st.text("ab-", min_size=1, max_size=4)


@given(st.lists(prefixes, max_size=8))
def test_every_pair_of_prefixes_that_collides_is_found_and_no_other(chosen: list[str]):
    sights = [sight(f"p{number}", prefix) for number, prefix in enumerate(chosen)]

    found = judge(sights)

    expected = {
        (late, early)
        for late, one in enumerate(chosen)
        for early, other in enumerate(chosen[:late])
        if one.startswith(other) or other.startswith(one)
    }
    told = {(each.number, early) for each in found for early in range(each.number) if f"of p{early}" in each.message}
    assert told == expected
    assert len(found) == len(expected)
    assert all(each.key == "config" and not each.note for each in found)


@given(st.lists(st.tuples(st.sampled_from(["/a", "/b", "/c"]), st.sampled_from(["/l", "/m", "/n"])), max_size=6))
def test_every_place_and_log_dir_that_is_shared_is_found(chosen: list[tuple[str, str]]):
    sights = [sight(f"p{n}", f"{n}-", root=root, log_dir=log) for n, (root, log) in enumerate(chosen)]

    found = judge(sights)

    pairs = [(a, b) for late, a in enumerate(chosen) for b in chosen[:late]]
    assert sum(each.key == "location" for each in found) == sum(a[0] == b[0] for a, b in pairs)
    assert sum("log_dir" in each.message for each in found) == sum(a[0] != b[0] and a[1] == b[1] for a, b in pairs)


def test_a_session_of_its_own_name_that_looks_like_another_projects_is_found():
    sights = [sight("one", "one-", sessions=(("x", "two-x"),)), sight("two", "two-")]

    (found,) = judge(sights)

    assert found.number == 0
    assert (
        found.message
        == 'session "two-x" of x can be taken for one of two ("two-"): give it another name in /srv/one/agents.toml'
    )


def test_two_equal_sessions_are_found():
    sights = [sight("one", "one-", sessions=(("x", "shared"),)), sight("two", "two-", sessions=(("y", "shared"),))]

    assert [each.number for each in judge(sights)] == [1, 0]


def test_a_missing_directory_is_a_mistake_and_a_missing_checkout_a_note():
    gone = [sight("one", there=False), sight("two", there=False, remote=True)]

    assert [(each.number, each.key, each.note) for each in judge(gone)] == [
        (0, "location", False),
        (1, "location", True),
    ]


def test_a_broken_configuration_is_told_and_the_others_are_judged():
    broken = sight("one", problems=(Problem("/srv/one/agents.toml", 3, "x", "is wrong"),))

    found = judge([broken, sight("two", "p-"), sight("three", "p-")])

    assert [(each.number, each.key) for each in found] == [(0, "config"), (2, "config")]
    assert "/srv/one/agents.toml has 1 mistake: is wrong" in found[0].message


def test_the_configuration_of_another_harness_may_be_unreadable():
    entry = Entry("one", "/srv/one", harness="https://example.org/other.git")
    broken = sight("one", entry=entry, problems=(Problem("/srv/one/agents.toml", 3, "x", "is wrong"),))

    (found,) = judge([broken])

    assert (found.key, found.note) == ("harness", True)


@pytest.mark.parametrize(
    ("harness", "ours"),
    [
        ("loops", True),
        ("agent-orchestrator", True),
        ("https://example.org/team/agent-orchestrator.git", True),
        ("git@example.org:loops.git", True),
        ("loopsy", False),
        ("https://example.org/loops/other", False),
    ],
)
def test_a_harness_is_known_by_its_name(harness: str, ours: bool):
    assert is_ours(harness) is ours


@pytest.mark.parametrize(
    ("mirror", "mistake"), [(Mirror.DIFFERENT, True), (Mirror.UNKNOWN, False), (Mirror.SAME, None), (Mirror.NONE, None)]
)
def test_a_mirror_is_a_mistake_only_when_it_surely_differs(mirror: Mirror, mistake: bool | None):
    found = judge([sight("one", "one-", entry=Entry("one", "/srv/one", ref="v1"), pin=PIN, mirror=mirror)])

    assert [not each.note for each in found] == ([] if mistake is None else [mistake])


def test_an_engine_that_strays_from_its_pin_is_a_mistake():
    (found,) = judge([sight("one", "one-", pin=Pin(Kind.SUBMODULE, "a" * 40, strays="b" * 40), mirror=Mirror.SAME)])

    assert "engine/ has bbbbbbbbbbbb checked out, but is pinned at aaaaaaaaaaaa" in found.message
