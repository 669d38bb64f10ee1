"""Two looks compared: no difference is invented, and none is overlooked."""

from __future__ import annotations

from dataclasses import replace
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from loops.projects.untouched.check import compare, not_compared, severity
from loops.projects.untouched.model import (
    Baseline,
    Entry,
    Head,
    Kind,
    Listener,
    Pane,
    Process,
    Scope,
    Server,
    Session,
    Unit,
    Unseen,
)
from loops.projects.untouched.rules import Rule, known
from loops.projects.untouched.touch import Cause, Change, Thing, Touch
from untouched_plants import PLANTS, ROOT, digest, looks

KNOWN = known()
EMPTY = Baseline(0.0, "host", "b1", 0, Scope(roots=(ROOT,)))


def file(path: str, content: str = "x", **changes: object) -> Entry:
    entry = Entry(
        f"{ROOT}/{path}", Kind.FILE, 0o644, 0, 0, len(content), 10, 10, 7, 1 + crc32(path.encode()), 1, digest(content)
    )
    return replace(entry, **changes)


def directory(path: str, **changes: object) -> Entry:
    place = f"{ROOT}/{path}".rstrip("/")
    return replace(Entry(place, Kind.DIRECTORY, 0o755, 0, 0, 4096, 10, 10, 7, 1 + crc32(place.encode()), 2), **changes)


def files(*entries: Entry) -> Baseline:
    return replace(EMPTY, entries=tuple(sorted(entries, key=lambda each: each.path)))


def told(touches: tuple[Touch, ...]) -> list[tuple[str, str, str]]:
    return [(each.place.removeprefix(f"{ROOT}/"), each.change.value, each.cause.value) for each in touches]


# ---- any look -----------------------------------------------------------------------------------------------------------


@given(looks())
def test_two_equal_looks_have_no_difference(look: Baseline):
    assert compare(look, look, KNOWN) == ()


@pytest.mark.parametrize("name", PLANTS)
@settings(max_examples=25)
@given(look=looks(), data=st.data())
def test_each_single_planted_difference_is_found_exactly(name: str, look: Baseline, data: st.DataObject):
    before, after, expected = PLANTS[name](data.draw, look)

    touches = compare(before, after, ())

    assert [(each.thing, each.place, each.change) for each in touches] == [expected]
    assert touches[0].alarming


@given(look=looks(), data=st.data())
def test_several_differences_are_all_found(look: Baseline, data: st.DataObject):
    kinds = {"file added", "process added", "unit added", "port opened", "tmux server added"}
    after, wanted = look, set()
    for name in data.draw(st.sets(st.sampled_from(sorted(kinds)), min_size=2)):
        _, after, expected = PLANTS[name](data.draw, after)
        wanted.add(expected)

    touches = compare(look, after, ())

    assert {(each.thing, each.place, each.change) for each in touches} == wanted


@given(looks(), looks())
def test_what_is_found_one_way_is_found_the_other_way_too(one: Baseline, other: Baseline):
    one, other = replace(one, unseen=()), replace(other, unseen=())
    one = replace(one, entries=tuple(each for each in one.entries if not each.unread))
    other = replace(other, entries=tuple(each for each in other.entries if not each.unread))

    places = [{(each.thing, each.place) for each in compare(*pair, ())} for pair in ((one, other), (other, one))]

    processes = [{each for each in found if each[0] is not Thing.PROCESS} for found in places]
    assert processes[0] == processes[1]
    assert bool(places[0]) == bool(places[1])


# ---- files ---------------------------------------------------------------------------------------------------------------


def test_a_directory_s_time_follows_from_what_was_made_in_it_and_is_not_told_again():
    before = files(directory(""), file("a"))
    after = files(directory("", mtime_ns=99, ctime_ns=99), file("a"), file("b"))

    assert told(compare(before, after, ())) == [("b", "added", "unknown")]


def test_a_directory_in_which_something_was_made_and_removed_again_is_told():
    before = files(directory(""), file("a"))
    after = files(directory("", mtime_ns=99, ctime_ns=99), file("a"))

    (touch,) = compare(before, after, ())

    assert (touch.place, touch.change) == (ROOT, Change.TIME)
    assert "made in it and removed again" in touch.hints[0]


def test_a_file_that_was_renamed_over_explains_its_directory_even_with_its_old_inode():
    # The file before the last had this inode; it was freed, and taken again.
    before = files(directory("state"), file("state/phase-idx", "1"))
    moment = 5_000_000_000
    after = files(
        directory("state", mtime_ns=moment, ctime_ns=moment),
        file("state/phase-idx", "1", mtime_ns=moment - 1000, ctime_ns=moment),
    )

    touches = compare(before, after, KNOWN)

    assert told(touches) == [("state/phase-idx", "time", "live")]


def test_a_file_that_changed_in_its_place_does_not_explain_its_directory():
    before = files(directory("state"), file("state/phase-idx", "1"))
    after = files(
        directory("state", mtime_ns=5_000_000_000),
        file("state/phase-idx", "2", mtime_ns=9_000_000_000, ctime_ns=9_000_000_000),
    )

    assert ("state", "time", "unknown") in told(compare(before, after, KNOWN))


def test_an_emptied_log_is_not_a_grown_one():
    before, after = files(file("a.log", "one two")), files(file("a.log", "one"))

    (touch,) = compare(before, after, KNOWN)

    assert (touch.change, touch.cause) == (Change.CONTENT, Cause.UNKNOWN)
    assert "4 bytes shorter" in touch.hints[-1]


def test_a_log_that_was_empty_may_grow():
    before = files(file("a.log", "", digest=digest("")))
    after = files(file("a.log", "one", mtime_ns=20))

    assert told(compare(before, after, KNOWN)) == [("a.log", "appended", "live")]


def test_a_grown_log_that_may_be_run_by_others_now_is_two_differences():
    old = file("a.log", "one")
    grown = replace(old, size=9, digest=digest("more"), head=Head(3, old.digest), mode=0o777)

    touches = compare(files(old), files(grown), KNOWN)

    assert told(touches) == [("a.log", "mode", "unknown"), ("a.log", "appended", "live")]


def test_a_renamed_file_is_named_where_it_is_now():
    old = file("prompt.md")

    touches = compare(files(old), files(replace(old, path=f"{ROOT}/prompt.md.bak")), ())

    assert any(f"now {ROOT}/prompt.md.bak" in hint for each in touches for hint in each.hints)


def test_a_directory_that_cannot_be_listed_any_more_hides_its_files_and_is_told_once():
    before = files(directory("d"), file("d/a"), file("d/b"))
    after = files(directory("d", unread="may not be read"))

    assert told(compare(before, after, ())) == [("d", "hidden", "unknown")]


def test_what_could_not_be_seen_before_is_no_difference_but_is_said():
    before = files(directory("d", unread="may not be read"), file("f", digest="", unread="may not be read"))
    after = files(directory("d"), file("d/a"), file("f"))

    assert compare(before, after, ()) == ()
    assert {each.place for each in not_compared(before, after)} == {f"{ROOT}/d", f"{ROOT}/f"}


# ---- who it was ------------------------------------------------------------------------------------------------------------


def test_what_carries_our_marks_is_ours_whatever_a_rule_says():
    session = Session("$1", "cc-ci-builder", 1, 1, (Pane("%1", 10, 10),))
    healed = replace(session, created=2, panes=(Pane("%1", 20, 20, "LOOPS_SESSION=p/builder/1"),))
    before = replace(EMPTY, servers=(Server("/t", 1, 1, (session, WATCHDOG)),))
    after = replace(EMPTY, servers=(Server("/t", 1, 1, (healed, WATCHDOG)),))

    (touch,) = compare(before, after, KNOWN)

    assert (touch.cause, touch.alarming, touch.why) == (Cause.OURS, True, "LOOPS_SESSION=p/builder/1")


WATCHDOG = Session("$9", "cc-ci-watchdog", 1, 1, (Pane("%9", 90, 90),))


@pytest.mark.parametrize(
    ("watchdog", "cause"),
    [
        (WATCHDOG, Cause.LIVE),
        (replace(WATCHDOG, panes=(Pane("%9", 91, 91),)), Cause.UNKNOWN),
        (replace(WATCHDOG, panes=(Pane("%9", 90, 90, "LOOPS_SESSION=p/w/1"),)), Cause.UNKNOWN),
        (replace(WATCHDOG, name="other"), Cause.UNKNOWN),
    ],
    ids=["it lived", "it was restarted itself", "it is ours", "there is none"],
)
def test_a_restart_is_the_watchdog_s_doing_only_if_it_lived_through_both_looks(watchdog: Session, cause: Cause):
    session = Session("$1", "cc-ci-builder", 1, 1, (Pane("%1", 10, 10),))
    before = replace(EMPTY, servers=(Server("/t", 1, 1, (session, WATCHDOG)),))
    after = replace(EMPTY, servers=(Server("/t", 1, 1, (replace(session, id="$3", created=5), watchdog)),))

    touches = compare(before, after, KNOWN)

    (touch,) = [each for each in touches if each.place == "/t: cc-ci-builder"]
    assert (touch.change, touch.cause) == (Change.RESTARTED, cause)


def test_a_process_that_shows_in_the_same_session_is_a_restart_although_its_words_differ():
    sessions = [Session("$1", "cc-builder", n, 1, (Pane("%1", n, n),)) for n in (10, 20)]
    agents = [
        Process(n, n, 0, f"claude {how}", "/w", "/claude", "/a")
        for n, how in ((10, "--session-id 1"), (20, "--resume 1"))
    ]
    before = replace(EMPTY, servers=(Server("/t", 1, 1, (sessions[0], WATCHDOG)),), processes=(agents[0],))
    after = replace(EMPTY, servers=(Server("/t", 1, 1, (sessions[1], WATCHDOG)),), processes=(agents[1],))

    touches = compare(before, after, KNOWN)

    assert [(each.thing, each.change, each.cause) for each in touches] == [
        (Thing.SESSION, Change.RESTARTED, Cause.LIVE),
        (Thing.PROCESS, Change.RESTARTED, Cause.LIVE),
    ]


def test_what_an_agent_that_lives_on_starts_is_its_own_affair():
    agent = Process(10, 10, 0, "claude", "/w", "/claude", "/a")
    tool = Process(50, 50, 0, "git fetch", "/w", "/git", "/a", parents=(40, 10))

    touches = compare(replace(EMPTY, processes=(agent,)), replace(EMPTY, processes=(agent, tool)), KNOWN)

    assert [(each.change, each.cause) for each in touches] == [(Change.CHILD, Cause.LIVE)]


def test_an_agent_that_was_killed_is_not_explained_by_the_tmux_server_above_it():
    server = Process(5, 5, 0, "tmux", "/", "/tmux", "/a")
    agent = Process(10, 10, 0, "claude", "/w", "/claude", "/a", parents=(5,))
    before = replace(EMPTY, processes=(server, agent), servers=(Server("/t", 5, 5),))

    touches = compare(before, replace(before, processes=(server,)), KNOWN)

    assert [(each.change, each.cause) for each in touches] == [(Change.REMOVED, Cause.UNKNOWN)]


def test_our_own_new_processes_ports_and_servers_are_beside_the_live_system():
    mark = "LOOPS_SESSION=p/builder/1"
    after = replace(
        EMPTY,
        processes=(Process(10, 10, 0, "claude", "/w", "/claude", "/b", mark=mark),),
        listeners=(Listener("tcp", "127.0.0.1:80", 5, 0, (10,), "claude", mark),),
        servers=(Server("/run/loops/1/tmux.sock", 1, 1, mark="the views"),),
    )

    touches = compare(EMPTY, after, KNOWN)

    assert {(each.cause, each.beside, each.alarming) for each in touches} == {(Cause.OURS, True, False)}
    assert len(touches) == 3


def test_our_process_in_the_live_system_s_cgroup_is_on_the_live_system():
    scope = Scope(cgroups=("/live.slice",))
    process = Process(10, 10, 0, "claude", "/w", "/claude", "/live.slice/x", mark="LOOPS_SESSION=p/b/1")

    (touch,) = compare(replace(EMPTY, scope=scope), replace(EMPTY, scope=scope, processes=(process,)), KNOWN)

    assert touch.alarming


def test_our_session_on_the_live_system_s_tmux_server_is_on_the_live_system():
    ours = Session("$1", "x", 1, 1, (Pane("%1", 10, 10, "LOOPS_SESSION=p/b/1"),))

    (touch,) = compare(
        replace(EMPTY, servers=(Server("/t", 1, 1),)), replace(EMPTY, servers=(Server("/t", 1, 1, (ours,)),)), KNOWN
    )

    assert (touch.cause, touch.alarming) == (Cause.OURS, True)


def test_the_baseline_s_own_rules_come_first():
    own = Rule("notes", "the assistant writes there", Thing.FILE, (Change.ADDED,), ("notes/**",))
    before = replace(EMPTY, rules=(own,))

    (touch,) = compare(before, files(file("notes/today.md")), KNOWN)

    assert (touch.cause, touch.rule) == (Cause.LIVE, "notes")


def test_the_worst_comes_first():
    before = files(file("a.log", "", digest=digest("")), file("b"))
    after = files(file("a.log", "x"), file("b", "other"), file(".loops/state"))

    touches = compare(before, after, KNOWN)

    assert [severity(each) for each in touches] == [0, 1, 3]


def test_one_of_two_panes_with_another_process_is_a_restart_and_no_window_more():
    session = Session("$1", "x", 1, 1, (Pane("%1", 10, 10), Pane("%2", 20, 20)))
    after = replace(session, panes=(Pane("%1", 10, 10), Pane("%2", 30, 30)))

    (touch,) = compare(*(replace(EMPTY, servers=(Server("/t", 1, 1, (each,)),)) for each in (session, after)), ())

    assert touch.change is Change.RESTARTED


@pytest.mark.parametrize("field", ["command", "cwd", "uid"])
def test_another_process_is_no_restart_of_the_one_that_went(field: str):
    old = Process(10, 10, 0, "claude", "/w", "/claude", "/a")
    new = replace(old, pid=20, start=20, **{field: 7 if field == "uid" else "/other"})

    touches = compare(replace(EMPTY, processes=(old,)), replace(EMPTY, processes=(new,)), ())

    assert [each.change for each in touches] == [Change.REMOVED, Change.ADDED]


def test_only_what_is_ours_can_be_beside():
    (touch,) = compare(EMPTY, replace(EMPTY, listeners=(Listener("tcp", "127.0.0.1:80", 5, 0),)), KNOWN)

    assert (touch.cause, touch.beside, touch.alarming) == (Cause.UNKNOWN, False, True)


def test_a_rule_is_for_its_own_kind_of_thing_alone():
    sessions = Rule("x", "y", Thing.SESSION, (Change.ADDED,), ("*",))

    (touch,) = compare(EMPTY, replace(EMPTY, listeners=(Listener("tcp", "127.0.0.1:80", 5, 0),)), (sessions,))

    assert touch.cause is Cause.UNKNOWN


def test_a_file_that_was_renamed_over_another_is_named_where_it_is_now():
    log, older = file("a.log", "old"), file("a.log.1", "older")

    touches = compare(files(log, older), files(replace(log, path=older.path), file("a.log", "", inode=99)), ())

    assert any(f"what was there is now {ROOT}/a.log.1" in hint for each in touches for hint in each.hints)


# ---- what cannot be seen -----------------------------------------------------------------------------------------------


def test_that_systemd_can_be_asked_now_is_no_difference_by_itself():
    before = replace(EMPTY, unseen=(Unseen(Thing.UNIT, "a.service", "systemd does not run here"),))
    after = replace(EMPTY, units=(Unit("a.service", "loaded", "active", "running", "1", 1, 0),))

    assert compare(before, after, ()) == ()
    assert [each.place for each in not_compared(before, after)] == ["a.service"]


def test_what_can_be_seen_no_more_is_a_difference_and_not_one_of_what_could_not_be_compared():
    before, after = files(file("f")), files(file("f", digest="", unread="may not be read"))

    assert [each.change for each in compare(before, after, ())] == [Change.HIDDEN]
    assert not_compared(before, after) == ()


def test_a_tmux_server_that_could_not_be_asked_and_is_another_now_is_told():
    before = replace(EMPTY, servers=(Server("/t", 5, 5, unseen="did not answer"),))

    session = Session("$1", "x", 1, 1, (Pane("%1", 10, 10),))

    assert compare(before, replace(EMPTY, servers=(Server("/t", 5, 5, (session,)),)), ()) == ()
    (touch,) = compare(before, replace(EMPTY, servers=(Server("/t", 6, 6),)), ())
    assert touch.change is Change.RESTARTED
