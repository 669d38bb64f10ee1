"""The page: one file that asks for nothing, obeys nobody, and stays small."""

import re
from html.parser import HTMLParser

import pytest
from loops.projects import report
from loops.supervisor import events as ev
from report_samples import PASS, T0, commit, ended, history, nudged, replaced, starting, whole_life

LIMIT = 3_000_000
VOID = {"meta", "br", "input"}


class Reader(HTMLParser):
    """Collects the elements, and what stands open at the end."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.attributes, self.text = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def page(events, now=T0 + 1000):
    text = report.html(report.facts(history(events), now))
    reader = Reader(text)
    assert reader.open == []
    return text, reader


def test_the_page_asks_for_nothing_and_runs_nothing():
    text, reader = page(whole_life())
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    references = [value for name, value in reader.attributes if name in ("href", "src", "xlink:href", "action")]
    assert references
    assert all(value.startswith("#i-") for value in references)
    assert not [name for name, _ in reader.attributes if name.startswith("on")]
    assert "default-src 'none'" in text
    assert not re.search(r"url\((?!#hatch\))|@import|https?:", text)


def test_every_symbol_that_is_used_is_there():
    _, reader = page(whole_life())
    used = {value[1:] for name, value in reader.attributes if name == "href"}
    assert used <= {value for name, value in reader.attributes if name == "id"}
    assert "i-kill" in used
    assert "i-heal" in used


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}"])
def test_whatever_agents_and_commits_are_called_stays_text(evil):
    events = [
        *whole_life(),
        starting(evil, T0 + 50, 1, phase=evil, why=evil),
        ended(evil, T0 + 51, 1, why=evil, rule=evil),
        ev.PhaseStarted(evil, T0 + 52, 2, evil, evil),
        commit(evil, T0 + 53, "claim", evil, evil, evil),
        ev.DoneRefused(evil, T0 + 54, evil, (evil,), (evil,)),
        *nudged(evil, T0 + 55, evil, evil, evil),
    ]
    _, reader = page(events)
    assert "script" not in reader.tags
    assert "img" not in reader.tags
    assert evil in " ".join(reader.text)
    assert "49" not in [piece.strip() for piece in reader.text]


def test_no_control_character_reaches_the_page():
    evil = "\x1b[31mred\x1b]52;c;ZXZpbA==\x07 \x9b2J \u202egnp.exe \x00 end"
    text, _ = page([*whole_life(), commit("2", T0 + 50, "message", PASS, evil, evil), starting(evil, T0, 1)])
    assert not [c for c in text if c != "\n" and not c.isprintable()]
    assert "␛[31mred" in text


def test_a_lone_surrogate_does_not_break_the_page():
    text, _ = page([*whole_life(), commit("2", T0 + 50, "message", PASS, "bad \udcff byte")])
    text.encode("utf-8")


def test_nothing_has_happened_yet():
    text, _ = page([])
    assert "nothing has happened yet" in text
    assert "NaN" not in text


def test_one_agent_and_one_moment():
    text, _ = page([starting("only", T0, 1)], now=T0)
    assert "only" in text


def test_problems_stand_at_the_head():
    text, _ = page(replaced(whole_life(), lambda e: isinstance(e, ev.PhaseDone), commit="e" * 40))
    assert text.index("its checks never succeeded") < text.index("Timeline</h2>")


def busy(agents, events, span):
    """*agents* agents that are nudged, turned over, and killed, evenly over *span* seconds."""
    found = [*whole_life()[:4], ev.PhaseStarted("long", T0, 2, "x", "operator")]
    names = [f"agent-{n:03d}-{'x' * 40}" for n in range(agents)]
    step, at, turn = span / max(1, events), T0, 0
    found += [starting(name, T0, 1) for name in names]
    while len(found) < events:
        name, number = names[turn % agents], turn // agents + 1
        found += nudged(name, at, f"n{turn}", "wake", "y" * 400)
        found += [ev.TurnStarted(name, at + step), ev.TurnCompleted(name, at + 2 * step)]
        found.append(commit("long", at + step, "claim", f"{turn:040x}", "claim(long): " + "<&>" * 100))
        found.append(ended(name, at + 3 * step, number, delay=0.0, signal=9, why="z" * 300, rule="heal"))
        found.append(starting(name, at + 4 * step, number + 1, why="z" * 300, rule="heal"))
        at, turn = at + 8 * step, turn + 1
    return found


@pytest.mark.parametrize(("agents", "events"), [(1, 20_000), (40, 20_000), (300, 4_000)])
def test_the_page_stays_small(agents, events):
    text, _ = page(busy(agents, events, 10 * 86400), T0 + 10 * 86400)
    assert len(text.encode()) < LIMIT


def test_ten_days_get_an_axis_that_can_be_read():
    text, _ = page(busy(2, 200, 10 * 86400), T0 + 10 * 86400)
    labels = re.findall(r"<text x=[^>]*text-anchor[^>]*>([^<]*)</text>", text)
    assert labels == ["0", "2 d", "4 d", "6 d", "8 d", "10 d"]


def test_many_agents_each_have_their_lane():
    text, _ = page(busy(40, 1000, 3600), T0 + 3600)
    assert len(re.findall(r'<div class="lane">', text)) == 40 + 3 + 2  # and theirs of the sample, handoff, supervisor
