"""Whatever a journal holds, a report can be made of it: events in any order, with any text, of any size."""

import dataclasses
import typing

from hypothesis import given, settings
from hypothesis import strategies as st
from loops.config import encode as encode_config
from loops.projects import report
from loops.supervisor import events as ev
from report_samples import T0, config, evidence, history

TEXTS = st.sampled_from(
    ("", "a", "builder", "report", "1", "2", "n1", "claim", "verdict", "wanted", "heal", "phase-next", "phase-moved")
) | st.text(max_size=8)
VALUES = {
    float: st.sampled_from((0.0, -1.0, T0, T0 + 1, T0 + 1e6)),
    int: st.integers(-1, 3),
    float | None: st.none() | st.just(0.5),
    dict[str, dict[str, float | int | str | None]]: st.just({"builder": {"tokens": 3}}),
    int | None: st.none() | st.integers(0, 9),
    str: TEXTS,
    bool: st.booleans(),
    tuple[str, ...]: st.lists(TEXTS, max_size=3).map(tuple),
    tuple[tuple[str, str], ...]: st.lists(st.tuples(TEXTS, TEXTS), max_size=3).map(tuple),
    typing.Any: st.sampled_from(({}, None, encode_config(config()), evidence("1", T0).document)),
}


def any_event(kind):
    types = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: VALUES[types[field.name]] for field in dataclasses.fields(kind)})


@settings(max_examples=40)
@given(st.lists(st.one_of([any_event(kind) for kind in ev.TYPES.values()]), max_size=30), VALUES[float])
def test_a_report_can_be_made_and_holds_nothing_that_anybody_obeys(events, now):
    found = report.facts(history(events), now)
    for text in (report.html(found), report.summary(found), "".join(report.problems(found))):
        text.encode()
        assert not [c for c in text if c != "\n" and not c.isprintable()]
