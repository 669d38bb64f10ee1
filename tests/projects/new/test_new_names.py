"""Names and prefixes: what may be called how, and the nearest that may."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.errors import UsageError
from loops.projects.new_names import Neighbour, around, check_name, collision, free_prefix, suggestion

WORD = st.from_regex(r"[a-z][a-z0-9]{0,6}", fullmatch=True)
NAMES = st.lists(WORD, min_size=1, max_size=4).map("-".join)
PREFIXES = st.text(st.sampled_from("ab2-"), min_size=1, max_size=4)


def told(name: str) -> str:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("My Project", "my-project"),
        ("myProject", "my-project"),
        ("recipes_2", "recipes-2"),
        ("--recipes--", "recipes"),
        ("2nd try", "p-2nd-try"),
        ("Café Zürich", "cafe-zurich"),
        ("a/../b", "a-b"),
        ("日本", "project"),
        ("", "project"),
        ("a\n", "a"),
        ("x" * 61, "x" * 60),
    ],
)
def test_a_name_that_is_no_kebab_case_is_refused_with_the_nearest_that_is(name: str, nearest: str) -> None:
    assert f"try {nearest!r}" in told(name)
    check_name(nearest)


@given(NAMES)
def test_a_good_name_is_its_own_suggestion(name: str) -> None:
    check_name(name)
    assert suggestion(name) == name


@given(st.text())
def test_every_suggestion_is_a_good_name(name: str) -> None:
    check_name(suggestion(name))


def neighbours(*prefixes: str) -> list[Neighbour]:
    return [Neighbour(f"n{index}", prefix, "") for index, prefix in enumerate(prefixes)]


@given(PREFIXES, st.lists(PREFIXES, max_size=4))
def test_two_prefixes_collide_exactly_when_some_session_could_be_taken_for_the_others(
    own: str, others: list[str]
) -> None:
    found = collision(own, neighbours(*others))

    confusable = [other for other in others if re.match(re.escape(own), other) or re.match(re.escape(other), own)]
    assert (found.prefix if found else None) == (confusable[0] if confusable else None)


@given(NAMES, st.lists(NAMES.map(lambda name: f"{name}-"), max_size=20))
def test_the_prefix_that_is_proposed_instead_is_free(name: str, others: list[str]) -> None:
    proposed = free_prefix(name, neighbours(*others))

    assert proposed
    assert collision(proposed, neighbours(*others)) is None


def test_where_everything_is_taken_nothing_is_proposed() -> None:
    assert free_prefix("a", neighbours(*"abcdefghijklmnopqrstuvwxyz")) == ""


def test_neighbours_are_the_projects_beside_and_around_and_a_broken_one_hides_none(tmp_path: Path) -> None:
    texts = {
        "outer": '[defaults]\nsession_prefix = "outer-"\n',
        "outer/projects/good": '[defaults]\nsession_prefix = "good-"\n',
        "outer/projects/broken": "[[[",
        "outer/projects/odd": "defaults = 1\n",
        "outer/projects/binary": '[defaults]\nsession_prefix = "\xff"\n',
        "outer/projects/.draft": '[defaults]\nsession_prefix = "draft-"\n',
    }
    for place, text in texts.items():
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "agents.toml").write_bytes(text.encode("latin-1"))
    (tmp_path / "outer/projects/no-project").mkdir()
    (tmp_path / "outer/projects/a-file").touch()

    found = around(str(tmp_path / "outer" / "projects"))

    assert [(each.name, each.prefix) for each in found] == [("good", "good-"), ("outer", "outer-")]
    assert around(str(tmp_path / "not-yet" / "made")) == []
