"""What was said at an installation comes back from the unit as it was said."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from loops.boot import said, units
from service_samples import DEMO, SOURCE

PATHS = st.text("abc/.-_=", min_size=1, max_size=12).map(lambda text: f"/{text}")
SAID = st.builds(
    said.merged,
    st.just({}),
    st.fixed_dictionaries(
        {},
        optional={
            **{option: st.sampled_from([("1G",), ("75%",), ("infinity",)]) for option in said.ONCE},
            "credential": st.lists(st.builds("{}={}".format, st.sampled_from("abc"), PATHS), max_size=4).map(tuple),
            "writable": st.lists(PATHS, max_size=4).map(tuple),
        },
    ),
)


@given(SAID)
def test_it_reads_back_from_the_unit_s_text(told: said.Said) -> None:
    text = units.text(units.render(replace(DEMO, said=said.lines(told)), SOURCE)["loops-demo.service"])

    assert said.read(units.parse(text)["Unit"].get(units.SAID_KEY, ())) == told


@given(SAID, SAID)
def test_it_holds_until_something_else_is_said(before: said.Said, now: said.Said) -> None:
    told = said.merged(before, now)

    assert said.merged(before, {}) == before
    assert said.merged(told, now) == told
    for option in said.ONCE:
        assert told.get(option) == now.get(option, before.get(option))
    assert set(now.get("writable", ())) | set(before.get("writable", ())) == set(told.get("writable", ()))


def test_what_another_engine_kept_and_this_one_does_not_know_is_left_out() -> None:
    assert said.read(["colour blue", "writable /srv/git", "writable /srv/more"]) == {
        "writable": ("/srv/git", "/srv/more")
    }
