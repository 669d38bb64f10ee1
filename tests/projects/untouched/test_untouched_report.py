"""What a check says to people: the worst first, a tree by its top, one line at the end that says it all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from loops.projects.untouched.model import Baseline, Pane, Scope, Server, Session, Unseen
from loops.projects.untouched.report import Checked, lines, markdown
from loops.projects.untouched.touch import Cause, Change, Thing, Touch
from loops.projects.untouched.witnesses import witnessed

LOOK = Baseline(1_000_000_000.0, "host", "b1", 0, Scope(roots=("/srv",), repositories=("/srv/clone",)))


def touch(place: str, change: Change = Change.CONTENT, thing: Thing = Thing.FILE, **more: object) -> Touch:
    return replace(Touch(thing, place, change, "old", "new"), **more)


def checked(*touches: Touch, unseen: tuple[Unseen, ...] = ()) -> Checked:
    return Checked(LOOK, LOOK, touches, unseen)


OURS = touch("/srv/.loops", Change.ADDED, cause=Cause.OURS, why="marks")
BESIDE = touch("pid 5", Change.ADDED, Thing.PROCESS, cause=Cause.OURS, beside=True, why="marks")
LIVE = touch("/srv/a.log", Change.APPENDED, cause=Cause.LIVE, why="a log grows", rule="log")
UNKNOWN = touch("/srv/prompt.md")


@pytest.mark.parametrize(
    ("touches", "verdict"),
    [
        ((), "UNTOUCHED since 2001-09-09 01:46:40Z: no difference"),
        ((LIVE,), "UNTOUCHED since 2001-09-09 01:46:40Z: 1 differences of the live system's own"),
        (
            (BESIDE,),
            "UNTOUCHED since 2001-09-09 01:46:40Z: 0 differences of the live system's own, 1 of ours beside it",
        ),
        ((OURS, LIVE), "TOUCHED since 2001-09-09 01:46:40Z: 1 by loops; 1 are the live system's own"),
        (
            (OURS, UNKNOWN),
            "TOUCHED since 2001-09-09 01:46:40Z: 1 by loops, 1 that nobody explains; 0 are the live system's own",
        ),
    ],
)
def test_the_last_line_is_the_verdict(touches: tuple[Touch, ...], verdict: str):
    found = checked(*touches)

    assert list(lines(found))[-1] == verdict
    assert found.clean is verdict.startswith("UNTOUCHED")


def test_the_classes_come_with_the_worst_first():
    heads = [line.partition(" (")[0] for line in lines(checked(OURS, UNKNOWN, BESIDE, LIVE)) if line[:1].strip()]

    assert heads[:4] == [
        "OURS, ON THE LIVE SYSTEM: what loops did to it",
        "UNKNOWN: nobody explains these",
        "ours, beside the live system: no harm",
        "the live system's own doing",
    ]


def test_a_tree_that_is_gone_is_told_by_its_top():
    gone = [touch(path, Change.REMOVED) for path in ("/srv/d", "/srv/d/a", "/srv/d/in", "/srv/d/in/b", "/srv/dx")]

    said = "\n".join(lines(checked(*gone)))

    assert "/srv/d\n" in said
    assert "and 3 paths below it" in said
    assert "/srv/d/in" not in said
    assert "/srv/dx" in said
    assert "/srv/d/in/b" in "\n".join(markdown(checked(*gone)))


def test_what_changed_otherwise_below_a_new_tree_is_not_hidden_by_it():
    said = "\n".join(lines(checked(touch("/srv/d", Change.ADDED), touch("/srv/d/a", Change.MODE))))

    assert "/srv/d/a" in said


def test_the_files_of_git_are_told_by_what_git_says():
    inside = [touch(f"/srv/clone/.git/{name}") for name in ("index", "HEAD")]
    amended = touch("/srv/clone: refs/heads/main", Change.MOVED, Thing.GIT)

    with_git, alone = ("\n".join(lines(checked(*those))) for those in ([amended, *inside], inside))

    assert "2 in /srv/clone/.git" in with_git
    assert "/srv/clone/.git/index" not in with_git
    assert "/srv/clone/.git/index" in alone


def test_what_could_not_be_compared_is_said_and_counted():
    said = list(lines(checked(unseen=(Unseen(Thing.UNIT, "x.service", "systemd does not run here"),))))

    assert said[0] == "not compared: unit x.service: systemd does not run here"
    assert said[-1].endswith("1 things could not be compared")


def test_nothing_of_a_name_acts_on_the_terminal_and_no_key_is_printed():
    key = "sk-ant-api03-" + "B" * 40
    bad = touch(f"/srv/\x1b[2J|{key}", hints=(f"reflog: {key}\x07",))

    said = "\n".join([*lines(checked(bad)), *markdown(checked(bad))])

    assert "\x1b" not in said
    assert "\x07" not in said
    assert key not in said


def test_another_user_than_that_of_the_baseline_is_noted():
    assert "note: uid 0 took the baseline, uid 7 checks it" in list(lines(Checked(LOOK, replace(LOOK, uid=7), (), ())))


@pytest.mark.parametrize("name", ["cc-ci-watchdog", "cc-ci-other"])
def test_a_session_that_is_gone_while_its_watchdog_lives_may_come_back(name: str):
    session = Session("$1", name, 1, 1, (Pane("%1", 10, 10),))
    look = replace(LOOK, servers=(Server("/t", 1, 1, (session,)),))

    (told,) = witnessed((touch("/t: cc-ci-builder", Change.REMOVED, Thing.SESSION),), look, look)

    assert any("check again" in hint for hint in told.hints) is (name == "cc-ci-watchdog")
