"""The units of a project under a real systemd: whatever dies, agents live on, or are resumed once.

Each test is an operator's story on a machine of its own: ``loops service install`` as root, ``loops up`` as the project's
user, then what befalls it.  The witnesses are counters (see `deployed.COUNTER`) and the journal of the project.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from deployed import HOLDER, ROOT, SUPERVISOR, USER, Deployed, command_of
from loops.protocol.reboots import NAME, Reboot, parse_reboots
from loops.supervisor import events as ev

COUNTERS = 'scratch.create(more=service("one", COUNTER) + service("two", COUNTER) + persistent(scratch, "keeper"))'
EVERYBODY = ("one", "two", "keeper")
WORKING = """
scratch.create([checked("1"), checked("2")], script={"pace": 0.1}, more=persistent(scratch, "keeper"))
"""
ISOLATED = r"""
scratch.create([checked("1")])
text = scratch.config_path.read_text()
for name in ("builder", "adversary"):
    place = f'dir = "work/{name}"\n'
    text = text.replace(place, place + 'isolate = true\nreads = ["script.json"]\n')
scratch.config_path.write_text(text)
"""
EXPOSURE = {SUPERVISOR: 35, HOLDER: 35, "loops-demo-upgrade.service": 6}
"""The most that ``systemd-analyze security`` may find, in tenths: what it finds today.  units.toml has the reasons."""


@pytest.fixture
def running(deployed: Deployed) -> Deployed:
    """Two counters and a persistent agent under the units, all of them at work."""
    deployed.create(COUNTERS).install()
    deployed.loops("up")
    deployed.wait_running(*EVERYBODY)
    deployed.wait_event(ev.TurnCompleted, "the keeper's first turn")
    deployed.wait_ticks("one")
    return deployed


def turns(deployed: Deployed, agent: str) -> int:
    return len([event for event in deployed.events(ev.TurnCompleted) if event.agent == agent])


def starts(deployed: Deployed, agent: str) -> list[ev.SessionStarting]:
    return [event for event in deployed.events(ev.SessionStarting) if event.agent == agent]


def conversation(start: ev.SessionStarting) -> str:
    return start.conversation or start.fresh_id


# ---- one of the two processes dies ---------------------------------------------------------------------------------------


def test_a_killed_supervisor_is_started_again_and_takes_over_every_session(running: Deployed) -> None:
    pids, holder, supervisor = running.wait_running(*EVERYBODY), running.pid(HOLDER), running.pid(SUPERVISOR)
    running.kill(SUPERVISOR)
    running.wait_another(SUPERVISOR, supervisor)
    assert running.wait_running(*EVERYBODY) == pids
    assert running.pid(HOLDER) == holder
    assert [event.adopted for event in running.events(ev.SupervisorStarted)] == [0, 3]
    running.assert_one_unbroken_life("one", "two")
    assert running.complaints() == []


def test_a_killed_holder_is_started_again_and_no_agent_notices(running: Deployed) -> None:
    pids, holder, supervisor = running.wait_running(*EVERYBODY), running.pid(HOLDER), running.pid(SUPERVISOR)
    running.kill(HOLDER)
    another = running.wait_another(HOLDER, holder)
    running.wait_for(lambda: running.wait_running(*EVERYBODY) == pids, "the same agents with the new holder")
    assert running.pid(SUPERVISOR) == supervisor, "the supervisor went with its holder"
    running.assert_one_unbroken_life("one", "two")
    # and the new one is a whole holder: it owns what is started from now on
    running.machine.succeed(f"kill -KILL {pids['two']}")
    running.wait_for(lambda: running.wait_running("two")["two"] != pids["two"], "another process for two")
    assert running.machine.succeed(f"ps -o ppid= -p {running.wait_running('two')['two']}").strip() == str(another)
    assert running.complaints() == []


def test_when_both_are_killed_at_once_every_agent_is_resumed_once(running: Deployed) -> None:
    pids, holder, supervisor = running.wait_running(*EVERYBODY), running.pid(HOLDER), running.pid(SUPERVISOR)
    running.kill(HOLDER, SUPERVISOR)
    running.wait_another(HOLDER, holder)
    running.wait_another(SUPERVISOR, supervisor)
    running.wait_for(
        lambda: not set(running.wait_running(*EVERYBODY).values()) & set(pids.values()), "a new process for each"
    )
    assert running.alive(*pids.values()) == [], "an agent whose terminal is lost was left behind"
    first, second = starts(running, "keeper")
    assert (second.kickoff, second.conversation) == ("resume", conversation(first))
    running.wait_ticks("one")
    assert [len(starts(running, name)) for name in EVERYBODY] == [2, 2, 2]
    assert running.complaints() == []


def test_a_killed_agent_is_healed_and_takes_no_unit_with_it(running: Deployed) -> None:
    pids, holder, supervisor = running.wait_running(*EVERYBODY), running.pid(HOLDER), running.pid(SUPERVISOR)
    running.machine.succeed(f"kill -KILL {pids['one']}")
    running.wait_for(lambda: running.wait_running("one")["one"] != pids["one"], "another process for one")
    assert (running.pid(HOLDER), running.pid(SUPERVISOR)) == (holder, supervisor)
    assert running.machine.show(HOLDER, "OOMPolicy") == "continue"
    running.assert_one_unbroken_life("two")


# ---- what an operator does -----------------------------------------------------------------------------------------------


def on_a_terminal(deployed: Deployed, who: str, command: str) -> None:
    """Let an operator type *command* on a terminal of a login session of its own; what it shows is in /tmp/WHO."""
    deployed.machine.succeed(
        f"systemd-run --quiet --unit={who} -p User={USER} -p Type=exec -E TERM=xterm "
        f"script --quiet --flush --return --command '{command}' /tmp/{who}"
    )


def attach_by_tmux(deployed: Deployed, name: str) -> str:
    """Attach an operator's terminal to the view of *name*; return the tmux socket."""
    socket = deployed.machine.wait_until_succeeds("ls -d /run/loops/*/tmux.sock")  # nobody waits for the views
    session = deployed.machine.wait_until_succeeds(
        f"tmux -S {socket} list-sessions -F '#{{session_name}}' | grep -e '-{name}$'", user=USER
    )
    on_a_terminal(deployed, "viewer", f"tmux -S {socket} attach-session -t ={session}")
    deployed.machine.wait_until_succeeds(f"tmux -S {socket} list-clients | grep -q .", user=USER)
    return socket


def clients(deployed: Deployed, socket: str) -> str:
    return deployed.machine.succeed(
        f"tmux -S {socket} list-clients -F '#{{client_pid}} #{{client_session}}'", user=USER
    )


def test_a_restart_of_the_supervisor_disturbs_no_agent_and_no_operator(running: Deployed) -> None:
    pids, supervisor = running.wait_running(*EVERYBODY), running.pid(SUPERVISOR)
    on_a_terminal(running, "operator", f"{command_of('A')} --config {ROOT} attach one")  # as the README says
    socket = attach_by_tmux(running, "one")
    before = clients(running, socket)
    running.machine.succeed(f"systemctl restart {SUPERVISOR}")
    running.wait_another(SUPERVISOR, supervisor)
    assert running.wait_running(*EVERYBODY) == pids
    running.assert_one_unbroken_life("one", "two")
    assert before
    assert clients(running, socket) == before, "the operator was thrown out"
    last = running.ticks("one")[-1]
    for who in ("operator", "viewer"):
        running.machine.wait_until_succeeds(f"grep -q 'tick {last + 20}' /tmp/{who}")  # and still sees what is printed
        assert running.machine.succeed(f"systemctl is-active {who}") == "active"


def test_an_upgrade_of_the_engine_disturbs_no_agent(running: Deployed) -> None:
    pids, holder, supervisor = running.wait_running(*EVERYBODY), running.pid(HOLDER), running.pid(SUPERVISOR)
    running.install("B")
    running.wait_another(SUPERVISOR, supervisor)
    assert running.wait_running(*EVERYBODY) == pids
    assert command_of("B") in running.machine.show(SUPERVISOR, "ExecStart")
    assert running.events(ev.SupervisorStarted)[-1].version.endswith("+B")
    assert running.pid(HOLDER) == holder, "the holder was restarted under its agents"
    running.machine.succeed("rm -r /opt/loops/versions/A")  # as a garbage collector does one day
    running.assert_one_unbroken_life("one", "two")
    running.machine.succeed(f"kill -KILL {pids['two']}")  # what the old holder still has to do
    running.wait_for(lambda: running.wait_running("two")["two"] != pids["two"], "another process for two")
    running.kill(HOLDER)  # the next one is of the new version
    running.wait_another(HOLDER, holder)
    assert running.wait_running("one", "keeper") == {name: pids[name] for name in ("one", "keeper")}
    assert running.complaints() == []


def test_installing_again_restarts_the_supervisor_alone(running: Deployed) -> None:
    pids, holder, supervisor = running.wait_running(*EVERYBODY), running.pid(HOLDER), running.pid(SUPERVISOR)
    running.install()
    running.wait_another(SUPERVISOR, supervisor)
    assert running.wait_running(*EVERYBODY) == pids
    assert running.pid(HOLDER) == holder
    running.assert_one_unbroken_life("one", "two")


def test_a_stuck_supervisor_is_replaced_by_the_watchdog(running: Deployed) -> None:
    drop_in = f"/run/systemd/system/{SUPERVISOR}.d"
    running.machine.succeed(
        f"mkdir -p {drop_in} && printf '[Service]\\nWatchdogSec=10s\\n' >{drop_in}/watchdog.conf && systemctl daemon-reload"
        f" && systemctl restart {SUPERVISOR}"
    )
    pids = running.wait_running(*EVERYBODY)
    stuck = running.pid(SUPERVISOR)
    fed = running.machine.show(SUPERVISOR, "WatchdogTimestampMonotonic")
    running.wait_for(lambda: running.machine.show(SUPERVISOR, "WatchdogTimestampMonotonic") != fed, "a sign of life")
    assert running.pid(SUPERVISOR) == stuck
    running.kill(SUPERVISOR, signal="STOP")
    running.wait_another(SUPERVISOR, stuck)
    assert "Watchdog timeout" in running.machine.succeed(f"journalctl --no-pager --unit {SUPERVISOR}")
    assert running.wait_running(*EVERYBODY) == pids
    running.assert_one_unbroken_life("one", "two")


def test_stopping_the_units_ends_the_agents_in_good_order_and_starting_resumes_them(running: Deployed) -> None:
    pids = running.wait_running(*EVERYBODY)
    running.machine.succeed(f"systemctl stop {SUPERVISOR} {HOLDER}")
    assert running.alive(*pids.values()) == []
    assert [running.machine.show(unit, "Result") for unit in (SUPERVISOR, HOLDER)] == ["success", "success"]
    running.machine.succeed(f"systemctl start {SUPERVISOR}")  # which wants its holder
    running.wait_running(*EVERYBODY)
    first, second = starts(running, "keeper")
    assert (second.kickoff, second.conversation) == ("resume", conversation(first))
    assert running.complaints() == []


def test_what_the_operator_stopped_stays_stopped_over_a_restart(running: Deployed) -> None:
    running.loops("down two")
    supervisor = running.pid(SUPERVISOR)
    running.machine.succeed(f"systemctl restart {SUPERVISOR}")
    running.wait_another(SUPERVISOR, supervisor)
    running.wait_running("one", "keeper")
    assert running.rows["two"]["state"] == "stopped"


def test_uninstalling_leaves_nothing_but_the_project(running: Deployed) -> None:
    pids = running.wait_running(*EVERYBODY)
    running.loops("service uninstall", user="root")
    assert running.alive(*pids.values()) == []
    left = "find /etc/systemd /run/systemd /run/loops /var/lib/systemd -name '*loops*' | grep -v /journal || true"
    assert running.machine.succeed(left) in ("", "/run/loops")
    for left in ("systemctl list-units --all --no-legend 'loops*'", f"pgrep --list-full --euid {USER}"):
        running.machine.wait_until_succeeds(f'left="$({left} 2>&1 || true)"; echo "$left"; test -z "$left"')
    assert (running.disk / "agents.toml").is_file()
    assert len(running.events(ev.SupervisorStarted)) == 1  # the journal is there, and reads


# ---- the machine goes down -----------------------------------------------------------------------------------------------


def test_a_reboot_resumes_every_conversation_and_is_recorded_and_a_restart_is_not(running: Deployed) -> None:
    machine, supervisor = running.machine, running.pid(SUPERVISOR)
    machine.succeed(f"systemctl restart {SUPERVISOR}")
    running.wait_another(SUPERVISOR, supervisor)
    assert running.events(ev.MachineRebooted) == []
    before = machine.boot_id
    machine.reboot()
    assert machine.boot_id != before
    machine.wait_for_unit(SUPERVISOR)
    running.wait_running(*EVERYBODY)
    first, second = starts(running, "keeper")
    assert (second.kickoff, second.conversation) == ("resume", conversation(first))
    (reboot,) = running.events(ev.MachineRebooted)
    assert (reboot.count, reboot.previous) == (1, before.replace("-", ""))
    running.wait_for(lambda: [m for m in running.received("keeper") if "reboot" in m["text"]], "word of the reboot")
    record = running.wait_for(lambda: reboots(running), "REBOOTS.md")
    machine.crash()  # and once more, by a power cut
    machine.start()
    machine.wait_for_unit(SUPERVISOR)
    running.wait_for(lambda: len(reboots(running)) == 2, "the second row")
    assert reboots(running)[:1] == record
    shown = json.loads(running.loops("boot --json"))
    assert shown["boot"]["recorded"] is True
    running.wait_running(*EVERYBODY)
    assert running.complaints() == []
    assert machine.succeed("systemctl is-system-running") == "running"


def reboots(deployed: Deployed) -> tuple[Reboot, ...]:
    """The rows of the record."""
    path = deployed.disk / NAME
    return parse_reboots(path.read_text()) if path.exists() else ()


MOMENTS: dict[str, Callable[[Deployed], object]] = {
    "a claim is pushed": lambda project: [e for e in project.events(ev.CommitSeen) if e.kind == "claim"],
    "a nudge is on its way": lambda project: project.events(ev.NudgeSending),
    "a verdict is pushed": lambda project: [e for e in project.events(ev.CommitSeen) if e.kind == "verdict"],
    "the checks run": lambda project: project.events(ev.CheckStarted),
    "the phase changes": lambda project: project.events(ev.PhaseDone),
}


@pytest.mark.heavy
def test_power_cuts_in_the_midst_of_work_lose_and_double_nothing(deployed: Deployed) -> None:
    deployed.create(WORKING).install()
    deployed.loops("up")
    for moment, came in MOMENTS.items():
        deployed.wait_for(lambda came=came: came(deployed), moment)
        deployed.machine.crash()
        deployed.machine.start()
    deployed.wait_event(ev.SequenceCompleted, "the end of the plan", seconds=180)
    assert len({event.boot_id for event in deployed.events(ev.SupervisorStarted)}) == len(MOMENTS) + 1
    assert [event.phase for event in deployed.events(ev.PhaseDone)] == ["1", "2"]
    assert deployed.complaints() == []
    deployed.wait_running("keeper")


# ---- the calendar --------------------------------------------------------------------------------------------------------

TASK = """
scratch.create(more=service("one", COUNTER) + '''
[[agent]]
name = "upgrade"
kind = "task"
schedule = "Sun *-*-* 03:00"
prompt_file = "upgrade.md"
dir = "."
''')
(scratch.root / "upgrade.md").write_text("Upgrade what is old.\\n")
"""


def test_a_scheduled_task_is_run_by_its_timer_and_by_nobody_else(deployed: Deployed) -> None:
    deployed.create(TASK).install()
    machine, unit = deployed.machine, "loops-demo-upgrade"
    deployed.wait_running("one")
    assert machine.show(f"{unit}.timer", "ActiveState") == "active"
    elapses = machine.succeed(f"systemctl show --value --property=NextElapseUSecRealtime {unit}.timer")
    assert re.match(r"Sun .* 03:00:00", elapses), elapses
    assert deployed.events(ev.SessionStarting)[-1].agent == "one", "it ran before its time"
    # Sunday comes: the same timer, whose calendar has come round
    soon = f"/run/systemd/system/{unit}.timer.d"
    machine.succeed(
        f"mkdir -p {soon} && printf '[Timer]\\nOnCalendar=\\nOnCalendar=*:*:0/2\\nAccuracySec=1ms\\n' >{soon}/soon.conf"
        f" && systemctl daemon-reload && systemctl restart {unit}.timer"
    )
    deployed.wait_event(ev.SessionEnded, "the end of the task", lambda e: e.agent == "upgrade" and e.code == 0)
    machine.succeed(f"systemctl stop {unit}.timer")
    machine.wait_until_succeeds(f"test $(systemctl show --value --property=ActiveState {unit}) = inactive")
    assert machine.show(unit, "Result") == "success"
    assert b"Upgrade what is old." in (deployed.disk / ".loops/upgrade.log").read_bytes()  # it can be reviewed
    assert deployed.complaints() == []


# ---- secrets -------------------------------------------------------------------------------------------------------------

SECRET = "planted-3f9c1e-secret"
TRUSTED = """
scratch.create(more=persistent(scratch, "keeper") + 'credentials = { DEMO_KEY = "demo" }\\n' + persistent(scratch, "other"))
"""


def test_a_credential_reaches_the_agent_that_is_configured_to_have_it_and_nothing_else(deployed: Deployed) -> None:
    machine = deployed.machine
    machine.succeed(f"umask 077; echo {SECRET} >/root/demo-key")
    deployed.create(TRUSTED).install(options="--credential demo=/root/demo-key")
    pids = deployed.wait_running("keeper", "other")
    for name in pids:
        deployed.wait_event(ev.TurnCompleted, f"a turn of {name}", lambda e, name=name: e.agent == name)

    def environment(pid: int) -> list[str]:
        return machine.succeed(f"tr '\\0' '\\n' </proc/{pid}/environ").splitlines()

    assert f"DEMO_KEY={SECRET}" in environment(pids["keeper"])
    for pid in (pids["other"], deployed.pid(SUPERVISOR), deployed.pid(HOLDER)):
        assert not [line for line in environment(pid) if SECRET in line]
    assert not [line for line in environment(pids["other"]) if line.startswith("CREDENTIALS_DIRECTORY")]
    inside = f"nsenter --target={pids['other']} --mount setpriv --reuid={USER} --regid={USER} --init-groups"
    assert machine.run(f"{inside} ls /run/credentials/{SUPERVISOR}").code != 0, "an agent reaches every credential"
    assert SECRET in machine.succeed(f"cat /run/credentials/{SUPERVISOR}/demo")  # so that the search below can find it
    for place in ("/etc", "/run --exclude-dir=credentials", "/home", "/var", "/tmp", "/opt"):
        assert machine.run(f"grep -s --recursive --files-with-matches {SECRET} {place}").out == "", (
            f"it lies in {place}"
        )
    for told in ("journalctl --no-pager", "systemctl show 'loops*'", "cat /proc/[0-9]*/cmdline"):
        assert SECRET not in machine.run(f"{told} | cat -v").out, f"{told} tells it"
    machine.reboot()
    machine.wait_for_unit(SUPERVISOR)
    again = deployed.wait_running("keeper")["keeper"]
    deployed.wait_for(lambda: f"DEMO_KEY={SECRET}" in environment(again), "the key, when it has done its exec")


# ---- what the units grant ------------------------------------------------------------------------------------------------


def test_the_units_are_clean_and_their_exposure_is_held(deployed: Deployed) -> None:
    deployed.create(TASK).install()
    units = " ".join((*EXPOSURE, "loops-demo-upgrade.timer", "loops.slice"))
    assert deployed.machine.succeed(f"systemd-analyze verify --recursive-errors=yes {units} 2>&1") == ""
    for unit, most in EXPOSURE.items():
        deployed.machine.succeed(f"systemd-analyze security --no-pager --threshold={most} {unit}")


def test_hardening_and_limits_are_in_effect_inside_an_agent(running: Deployed) -> None:
    machine = running.machine
    pid = running.wait_running("one")["one"]
    status = dict(re.findall(r"^(\w+):\s*(.*)$", machine.succeed(f"cat /proc/{pid}/status"), re.MULTILINE))
    assert status["Seccomp"] == "2"
    assert status["NoNewPrivs"] == "1"
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert HOLDER in machine.succeed(f"cat /proc/{pid}/cgroup")
    inside = f"nsenter --target={pid} --mount setpriv --reuid={USER} --regid={USER} --init-groups"
    for place in ("/usr", "/etc", "/boot", "/root", "/var/lib"):
        assert machine.run(f"{inside} touch {place}/x").code != 0, f"an agent can write to {place}"
    machine.succeed(f"{inside} touch {ROOT}/x && {inside} rm {ROOT}/x")
    # Where a unit covers a part of /proc the kernel lets no sandbox mount its own.  This machine is lenient there (the
    # host's /proc is still in its mount namespace), so it is looked for.
    covered = "awk '$5 ~ \"^/proc/\" {print $5}' /proc/%s/mountinfo | sort"
    assert set(machine.succeed(covered % pid).split()) <= set(machine.succeed(covered % 1).split())
    assert machine.show(HOLDER, "TasksMax").isdecimal()
    for unit, key, value in (
        (HOLDER, "OOMPolicy", "continue"),
        (HOLDER, "KillMode", "process"),
        (SUPERVISOR, "Slice", "loops.slice"),
    ):
        assert machine.show(unit, key) == value
    assert machine.show(HOLDER, "MemoryHigh") != "infinity"  # in effect only where the kernel gives the controller
    assert machine.show(HOLDER, "RestrictNamespaces") == "no", "bubblewrap needs namespaces"


def test_an_isolated_agent_works_under_the_units(deployed: Deployed) -> None:
    deployed.create(ISOLATED).install()
    deployed.loops("up")
    deployed.wait_event(ev.SequenceCompleted, "the end of the plan")
    confined = deployed.events(ev.AgentConfined)
    assert {event.agent: event.lack for event in confined} == {"builder": "", "adversary": ""}
    assert deployed.complaints() == []
