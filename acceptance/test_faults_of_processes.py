"""Gate: faults of processes (fault classes 1, 2, 3, 6, 7, 8, 12): whoever is killed or stopped, no agent is lost or doubled.

The witnesses are counters: sessions that print one number after the other.  A counter that was killed begins anew, one that
was doubled prints a number twice, and a byte that was lost leaves a hole.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import sh
from loops.journal import verify
from loops.supervisor import events as ev
from scratch import LINGER, PATIENCE, Scratch, alive, persistent, service

COUNTER = "n=0; while :; do n=$((n+1)); echo tick $n.; sleep 0.02; done"
TICK = re.compile(rb"tick (\d+)\.")


def ticks(scratch: Scratch, name: str) -> list[int]:
    return [int(number) for number in TICK.findall(scratch.log(name))]


def wait_ticks(scratch: Scratch, name: str, more: int = 20) -> None:
    """Wait until the counter has gone on by *more*."""
    before = len(ticks(scratch, name))
    scratch.wait_for(lambda: len(ticks(scratch, name)) >= before + more, f"{name} counting on from {before}")


def assert_one_unbroken_life(scratch: Scratch, name: str) -> None:
    found = ticks(scratch, name)
    assert found == list(range(1, len(found) + 1)), f"{name} lost, doubled or repeated output: {_breaks(found)}"


def _breaks(found: Sequence[int]) -> list[tuple[int, int]]:
    return [(a, b) for a, b in pairwise(found) if b != a + 1][:10]


def counting(scratch: Scratch, *names: str) -> dict[str, int]:
    """Bring up a project of counters; return their pids."""
    scratch.create(more="".join(service(name, COUNTER) for name in names))
    scratch.loops("up")
    pids = scratch.wait_running(*names)
    for name in names:
        wait_ticks(scratch, name)
    return pids


def copies(scratch: Scratch, mark: str) -> list[int]:
    """The living processes whose command line holds *mark*."""
    return [pid for pid, line in scratch.pids().items() if mark in line]


# ---- class 1: a child crashes ------------------------------------------------------------------------------------------


def test_class_1_a_killed_session_is_healed_at_once_and_its_neighbour_does_not_notice(scratch: Scratch) -> None:
    pids = counting(scratch, "one", "two")
    os.kill(pids["one"], signal.SIGKILL)
    ended = scratch.wait_event(ev.SessionEnded, "the end of one")
    assert (ended.agent, ended.code, ended.signal, ended.rule) == ("one", None, signal.SIGKILL, "heal")
    assert ended.delay == 0.0
    scratch.wait_for(lambda: scratch.wait_running("one")["one"] != pids["one"], "another process for one")
    assert scratch.wait_running("two") == {"two": pids["two"]}
    assert_one_unbroken_life(scratch, "two")
    assert scratch.agent("one")["restarts"] == 1


@pytest.mark.parametrize("code", [0, 1, 139])
def test_class_1_a_crash_loop_is_bounded_and_shown_with_its_exact_status(scratch: Scratch, code: int) -> None:
    scratch.create(more=service("bad", f"exit {code}") + service("good", COUNTER), park_after=4)
    scratch.loops("up")
    scratch.wait_for(lambda: scratch.agent("bad").get("state") == "CRASH LOOP", "the crash loop in the status")
    ends = [e for e in scratch.events(ev.SessionEnded) if e.agent == "bad"]
    assert [e.code for e in ends] == [code] * 4
    assert [e.parked for e in ends] == [False, False, False, True]
    assert ends[0].delay == 0.0
    assert all(0.0 < e.delay <= 0.4 for e in ends[1:3]), [e.delay for e in ends]
    assert f"exit {code}" in scratch.agent("bad")["doing"]
    assert "bad is in a crash loop" in scratch.complaints
    assert "CRASH LOOP" in scratch.loops("status").out
    assert scratch.agent("good")["restarts"] == 0


# ---- class 2: the supervisor crashes -----------------------------------------------------------------------------------


def test_class_2_killing_the_supervisor_again_and_again_loses_and_doubles_nothing(scratch: Scratch) -> None:
    pids = counting(scratch, "one", "two")
    for _ in range(5):
        before = scratch.wait_for(lambda: scratch.supervisor, "a supervisor")
        os.kill(before, signal.SIGKILL)
        _wait_for_another_supervisor(scratch, before)
    assert scratch.wait_running("one", "two") == pids
    started = scratch.events(ev.SupervisorStarted)
    assert [e.adopted for e in started] == [0, 2, 2, 2, 2, 2]
    assert [e.epoch for e in started] == sorted({e.epoch for e in started})
    for name in pids:
        wait_ticks(scratch, name)
        assert_one_unbroken_life(scratch, name)


def _wait_for_another_supervisor(scratch: Scratch, before: int) -> None:
    scratch.wait_for(lambda: scratch.supervisor not in (0, before), "the next supervisor")


def test_class_2_what_dies_while_nobody_supervises_is_healed_by_the_next_supervisor(scratch: Scratch) -> None:
    pids = counting(scratch, "one", "two")
    supervisor = scratch.supervisor
    os.kill(supervisor, signal.SIGSTOP)  # so that it sees nothing of what follows
    os.kill(pids["one"], signal.SIGKILL)
    scratch.wait_for(lambda: not alive(pids["one"]), "the end of one")
    os.kill(supervisor, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.wait_running("one")["one"] != pids["one"], "another process for one")
    ended = scratch.events(ev.SessionEnded)
    assert [(e.agent, e.signal) for e in ended] == [("one", signal.SIGKILL)]
    assert_one_unbroken_life(scratch, "two")


# ---- class 3: the holder or tmux crashes, is stopped, loses its socket -------------------------------------------------


def test_class_3_killing_the_holder_costs_no_session(scratch: Scratch) -> None:
    pids = counting(scratch, "one", "two")
    before = scratch.holder
    os.kill(before, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.holder not in (0, before), "another holder")
    for name in pids:
        wait_ticks(scratch, name)
    assert scratch.wait_running("one", "two") == pids
    for name in pids:
        assert_one_unbroken_life(scratch, name)
    # What the new holder adopted is still healed.
    os.kill(pids["one"], signal.SIGKILL)
    ended = scratch.wait_event(ev.SessionEnded, "the end of one")
    assert ended.signal in (signal.SIGKILL, None), ended
    scratch.wait_for(lambda: scratch.wait_running("one")["one"] != pids["one"], "another process for one")


@pytest.mark.parametrize("stubborn", [False, True], ids=["ordinary", "deaf to SIGHUP"])
def test_class_3_killing_holder_and_supervisor_together_leaves_no_second_copy(scratch: Scratch, stubborn: bool) -> None:
    command = ("trap '' HUP; " if stubborn else "") + "exec 2>/dev/null; " + COUNTER
    scratch.create(more=service("one", command))
    scratch.loops("up")
    first = scratch.wait_running("one")["one"]
    wait_ticks(scratch, "one")
    # The supervisor would save the holder's sessions, and the holder would start the supervisor anew: both at once.
    holder, supervisor = scratch.holder, scratch.supervisor
    os.kill(supervisor, signal.SIGSTOP)
    os.kill(holder, signal.SIGKILL)
    os.kill(supervisor, signal.SIGKILL)
    scratch.wait_for(lambda: not alive(holder) and not alive(supervisor), "the end of both")

    scratch.loops("up")
    second = scratch.wait_running("one")["one"]
    assert second != first
    lost = scratch.wait_event(ev.SessionEnded, "the lost session in the journal")
    assert lost.rule == "lost", lost
    scratch.wait_for(lambda: copies(scratch, "tick $n") == [second], f"one copy, not also pid {first}", LINGER)


def test_class_3_a_killed_tmux_server_is_rebuilt_and_no_session_notices(scratch: Scratch) -> None:
    pids = counting(scratch, "one", "two")
    before = scratch.wait_for(lambda: scratch.tmux_server, "a tmux server")
    os.kill(before, signal.SIGKILL)
    scratch.wait_for(lambda: scratch.tmux_server not in (0, before), "another tmux server")
    tmux = sh.Command("tmux").bake("-S", scratch.runtime.tmux_socket)

    def views() -> set[str]:
        with suppress(sh.ErrorReturnCode):
            return set(str(tmux("list-sessions", "-F", "#{session_name}")).split())
        return set()

    wanted = {f"{scratch.prefix}one", f"{scratch.prefix}two"}
    scratch.wait_for(lambda: views() == wanted, f"the views {wanted}")
    assert scratch.wait_running("one", "two") == pids
    for name in pids:
        assert_one_unbroken_life(scratch, name)


def test_class_3_a_stopped_tmux_server_stops_nothing_else(scratch: Scratch) -> None:
    pids = counting(scratch, "one")
    server = scratch.wait_for(lambda: scratch.tmux_server, "a tmux server")
    os.kill(server, signal.SIGSTOP)
    scratch.config_path.write_text(scratch.config_path.read_text() + service("two", COUNTER))  # which wants a view
    scratch.wait_running("two")
    os.kill(pids["one"], signal.SIGKILL)
    scratch.wait_for(lambda: scratch.wait_running("one")["one"] != pids["one"], "another process for one")
    scratch.wait_for(lambda: f"the tmux server (pid {server}) does not answer" in scratch.complaints, "the complaint")
    scratch.loops("status")
    scratch.loops("down")
    scratch.wait_for(lambda: not alive(server), "the end of the stopped server", LINGER)


def test_class_3_a_stopped_holder_makes_commands_say_so_and_costs_nothing(scratch: Scratch) -> None:
    pids = counting(scratch, "one")
    holder = scratch.holder
    os.kill(holder, signal.SIGSTOP)
    try:
        assert "RUNNING" in scratch.loops("status").out
        failed = scratch.loops("down", "one", "--timeout", "1", code=6)
        assert "one did not end in time" in failed.err
    finally:
        os.kill(holder, signal.SIGCONT)
    scratch.wait_for(lambda: scratch.agent("one").get("state") == "stopped", "the end of one")
    assert not alive(pids["one"])


def test_class_3_a_stopped_supervisor_is_named_and_replaced_without_an_agent_noticing(scratch: Scratch) -> None:
    pids = counting(scratch, "one")
    stuck = scratch.supervisor
    os.kill(stuck, signal.SIGSTOP)
    failed = scratch.loops("status", code=6)
    assert "does not answer" in failed.err
    assert f"kill -KILL {stuck}" in failed.err, failed.err
    os.kill(stuck, signal.SIGKILL)  # the advice, taken
    scratch.wait_for(lambda: scratch.supervisor not in (0, stuck), "another supervisor")
    assert scratch.wait_running("one") == pids
    assert_one_unbroken_life(scratch, "one")


def test_class_3_a_deleted_control_socket_comes_back(scratch: Scratch) -> None:
    scratch.create(more=service("one", COUNTER), interval=0.5)
    scratch.loops("up")
    pids = scratch.wait_running("one")
    path = Path(scratch.runtime.control_socket)
    path.unlink()
    scratch.wait_for(path.exists, "the control socket again")
    assert "already running" in scratch.loops("up").out
    assert scratch.wait_running("one") == pids


def test_class_3_a_deleted_tmux_socket_comes_back_and_no_server_is_left_behind(scratch: Scratch) -> None:
    scratch.create(more=service("one", COUNTER), interval=0.5)
    scratch.loops("up")
    pids = scratch.wait_running("one")
    scratch.wait_for(lambda: scratch.tmux_server, "a tmux server")
    calm = 0

    def servers() -> list[int]:
        """All that is called tmux: the engine's own calls come and go among them."""
        return [pid for pid, line in scratch.pids().items() if line.startswith("tmux ")]

    def settled() -> bool:
        """The engine has built its views and made its last call."""
        nonlocal calm
        calm = calm + 1 if len(servers()) == 1 else 0
        return calm > 25

    scratch.wait_for(settled, "the views, and no call of tmux any more")
    Path(scratch.runtime.tmux_socket).unlink()
    scratch.config_path.write_text(scratch.config_path.read_text() + service("two", COUNTER))  # which wants a view
    scratch.wait_for(lambda: scratch.tmux_server, "a tmux server that can be reached")
    scratch.wait_for(lambda: servers() == [scratch.tmux_server], "one tmux server, the one that can be reached")
    assert scratch.wait_running("one")["one"] == pids["one"]
    # That nothing is left after `down` is what every scratch project's teardown proves.


# ---- class 6: hangs ----------------------------------------------------------------------------------------------------


def test_class_6_a_hanging_turn_is_found_ended_and_resumed_and_a_slow_one_is_not(scratch: Scratch) -> None:
    rules = [
        {"role": "stuck", "mode": "hang", "times": 1, "after": 1},
        {"role": "slow", "mode": "slow", "times": 1, "seconds": 1.5, "after": 1},
    ]
    scratch.create(
        script={"rules": rules}, hang_after=6.0, more=persistent(scratch, "stuck") + persistent(scratch, "slow")
    )
    scratch.loops("up")
    ended = scratch.wait_event(ev.SessionEnding, "the end of the hang")
    assert (ended.agent, ended.rule, ended.again) == ("stuck", "hang", True)
    again = scratch.wait_event(ev.SessionStarting, "the resume", lambda e: e.agent == "stuck" and e.incarnation == 2)
    assert again.kickoff == "resume"
    scratch.wait_event(ev.TurnCompleted, "the turn that was cut off, done", lambda e: e.agent == "stuck")
    assert scratch.agent("slow")["restarts"] == 0


def test_class_6_a_stopped_agent_is_found_and_replaced(scratch: Scratch) -> None:
    rules = [{"role": "busy", "mode": "slow", "times": 1, "seconds": 60.0, "after": 1}]
    scratch.create(script={"rules": rules}, hang_after=5.0, more=persistent(scratch, "busy"))
    scratch.loops("up")
    scratch.wait_event(ev.TurnStarted, "its turn")
    pid = scratch.wait_running("busy")["busy"]
    os.kill(pid, signal.SIGSTOP)
    ended = scratch.wait_event(ev.SessionEnding, "the end of the hang")
    assert ended.rule == "hang"
    scratch.wait_for(lambda: scratch.wait_running("busy")["busy"] != pid, "another process")
    assert not alive(pid), "the stopped process is still there"


# ---- classes 7 and 8: trees, zombies, terminals held open --------------------------------------------------------------

BOMB = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
for n in range(200):
    if os.fork() == 0:
        if n % 3 == 0:
            os.setsid()
        if n % 5 == 0 and os.fork():
            os._exit(0)  # daemonised: the parent is gone
        while True:
            time.sleep(60)
print("armed", flush=True)
while True:
    time.sleep(60)
"""


def test_class_7_a_tree_of_two_hundred_that_ignores_everything_ends_with_down(scratch: Scratch) -> None:
    (scratch.root / "bomb.py").write_text(BOMB)
    scratch.create(more=service("bomb", f"exec python3 {scratch.root}/bomb.py") + service("good", COUNTER))
    scratch.loops("up")
    scratch.wait_for(lambda: b"armed" in scratch.log("bomb"), "the tree")
    good = scratch.wait_running("good")
    scratch.wait_for(lambda: len(copies(scratch, "bomb.py")) > 200, "two hundred and their leader")
    scratch.loops("down", "bomb")
    assert copies(scratch, "bomb.py") == []
    assert scratch.wait_running("good") == good


def test_class_8_an_exit_is_seen_though_a_grandchild_keeps_the_terminal_open(scratch: Scratch) -> None:
    scratch.create(
        more=service("leaver", "trap '' HUP; (trap '' HUP; sleep 4321) & exit 3", watch="none")
        + service("good", COUNTER)
    )
    scratch.loops("up")
    ended = scratch.wait_event(ev.SessionEnded, "the end of leaver")
    assert (ended.agent, ended.code) == ("leaver", 3)
    scratch.wait_for(lambda: not copies(scratch, "sleep 4321"), "no leftover of leaver", LINGER)
    holder = scratch.holder
    scratch.wait_for(lambda: not _zombies(holder), f"every dead child of the holder (pid {holder}) collected")


def _zombies(pid: int) -> list[int]:
    """Its dead children.  One that is collected between the two looks is none any more."""
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        with suppress(OSError):
            if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                found.append(int(child))
    return found


# ---- class 12: two supervisors -----------------------------------------------------------------------------------------


@pytest.mark.heavy
def test_class_12_of_fifty_supervisors_at_once_exactly_one_reigns(scratch: Scratch) -> None:
    pids = counting(scratch, "one")
    reigning = scratch.supervisor
    argv = [*scratch.python, "-m", "loops.supervisor", str(scratch.config_path), "--no-holder"]
    crowd = [
        subprocess.Popen(argv, env=scratch.environment, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for _ in range(50)
    ]
    said = [process.communicate(timeout=PATIENCE * 2)[1] for process in crowd]
    assert [process.returncode for process in crowd] == [5] * 50
    assert all(f"process {reigning} writes this journal" in text for text in said), Counter(said)
    assert scratch.supervisor == reigning
    assert scratch.wait_running("one") == pids
    assert_one_unbroken_life(scratch, "one")
    assert verify(scratch.journal_directory).sound
    assert len(scratch.events(ev.SupervisorStarted)) == 1


@pytest.mark.heavy
def test_class_12_when_fifty_race_for_an_empty_throne_one_wins_and_starts_each_session_once(scratch: Scratch) -> None:
    counting(scratch, "one")
    scratch.loops("down")
    argv = [*scratch.python, "-m", "loops.supervisor", str(scratch.config_path), "--up"]
    crowd = [subprocess.Popen(argv, env=scratch.environment, stderr=subprocess.PIPE, text=True) for _ in range(50)]
    winner = scratch.wait_for(lambda: scratch.supervisor, "a supervisor")
    losers = [process for process in crowd if process.pid != winner]
    for process in losers:
        process.communicate(timeout=PATIENCE * 2)
    assert len(losers) == 49
    assert {process.returncode for process in losers} == {5}
    scratch.wait_running("one")
    # A shell that forks its `sleep` shows itself twice until that is executed.
    scratch.wait_for(lambda: len(copies(scratch, "tick $n")) == 1, "one copy")
    assert len(scratch.events(ev.SessionStarted)) == 2, "one before, and one behind the race"
    scratch.loops("down")
    assert next(process for process in crowd if process.pid == winner).wait(timeout=PATIENCE) == 0


@pytest.mark.parametrize("stuck", [False, True], ids=["that runs", "that is stuck"])
def test_class_12_a_takeover_replaces_the_supervisor_and_no_agent_notices(scratch: Scratch, stuck: bool) -> None:
    pids = counting(scratch, "one", "two")
    before = scratch.supervisor
    if stuck:
        os.kill(before, signal.SIGSTOP)
    successor = subprocess.Popen(
        scratch.command("watchdog", "--takeover"), env=scratch.environment, stderr=subprocess.DEVNULL, cwd=scratch.root
    )
    scratch.wait_for(lambda: scratch.supervisor == successor.pid, "the successor")
    scratch.wait_for(lambda: not alive(before), "the end of the one before")
    assert scratch.wait_running("one", "two") == pids
    for name in pids:
        wait_ticks(scratch, name)
        assert_one_unbroken_life(scratch, name)
    assert len(scratch.events(ev.SessionStarted)) == 2
    scratch.loops("down")
    assert successor.wait(timeout=PATIENCE) == 0
