# ruff: noqa: F821 - what the test driver defines; test_script_names.py declares it
"""What happens to the machine of test/machine.nix: run by the NixOS test driver, and by acceptance/machine on Debian.

Besides the driver's own names, four commands come from outside: `change`, `change_again` and `roll_back` switch the
machine to another configuration of the demo, to that same one once more, and back; `wrong_change` (empty where none can be
built) must be refused when it is built.  `store`: where in the Nix store something may lie that was made for this machine.
"""

import json
import shlex
import time
from collections import Counter
from typing import Any

ROOT = "/var/lib/loops/demo"
STATE = f"{ROOT}/.loops/state"
SECRET = "/var/lib/secrets/demo-token"
OURS = "loops-demo loops-demo-holder loops-demo-upgrader.timer loops-neighbour loops-neighbour-holder loops.slice git-daemon"
LOG = "git -c safe.directory=* --git-dir /srv/git/product.git log --reverse --format=%s main"
AGENTS = ("builder", "adversary", "orchestrator")
PATIENCE = 600
"""Seconds: the machine may be one without an accelerator on a busy host."""


# ---- looking at it ---------------------------------------------------------------------------------------------------


def units() -> dict[str, dict[str, str]]:
    """Which life of each unit this is."""
    said = machine.succeed(f"systemctl show -p Id,ActiveState,InvocationID,MainPID {OURS}")
    facts = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
    return {each["Id"]: each for each in facts}


def changed(before: dict[str, dict[str, str]]) -> list[str]:
    """The units that have another life than they had."""
    return sorted(name for name, facts in units().items() if facts != before[name])


def status() -> dict[str, Any]:
    """What the demo's supervisor says, as soon as it answers."""
    found: dict[str, Any] = json.loads(machine.wait_until_succeeds("loops-demo status --json", timeout=PATIENCE))
    return found


def lives() -> dict[str, int]:
    """The process of each agent, once all of them run."""
    deadline = time.monotonic() + PATIENCE
    while True:
        rows = {row["name"]: row for row in status()["agents"]}
        if all(rows[name]["state"] == "RUNNING" for name in AGENTS):
            return {name: rows[name]["pid"] for name in AGENTS}
        assert time.monotonic() < deadline, f"not all of them run: {rows}"
        time.sleep(0.5)


def lines_of(path: str) -> list[dict[str, Any]]:
    """A file of JSON lines; empty where there is none."""
    return [json.loads(line) for line in machine.succeed(f"cat {path} 2>/dev/null || true").splitlines()]


def subjects() -> list[str]:
    """Of all commits that were pushed, oldest first."""
    return machine.succeed(LOG).splitlines()


def wait_for_push(start: str) -> None:
    """Wait until a commit was pushed whose subject begins with *start*; looks ten times a second."""
    pattern = shlex.quote(f"^{start}".replace("(", "[(]"))
    machine.succeed(f"until {LOG} 2>/dev/null | grep {pattern} >&2; do sleep 0.1; done", timeout=PATIENCE)


def behave(patient_in: str = "") -> None:
    """How agents behave that are started from now on: in phase *patient_in* the Adversary takes its time over a claim."""
    rules = [{"role": "adversary", "phase": patient_in, "mode": "slow", "seconds": 3000}] if patient_in else []
    script = json.dumps({"pace": 0.3, "rules": rules})
    machine.succeed(
        f"echo {shlex.quote(script)} >/srv/script.json.new && mv /srv/script.json.new /srv/script.json; sync"
    )


def wait_until_all_is_back() -> None:
    """After a boot: the units, then the agents."""
    machine.wait_for_unit("loops-demo.service")
    machine.wait_for_unit("loops-neighbour.service")
    lives()


# ---- what must hold --------------------------------------------------------------------------------------------------


def assert_nothing_lost_or_doubled() -> None:
    """Three witnesses against each other: the supervisor's journal, the agents' own records, and what was pushed."""
    journal = [
        (event["type"].removeprefix("dev.loops."), event["data"]) for event in lines_of(f"{STATE}/journal/*.jsonl")
    ]
    queued = [data["id"] for kind, data in journal if kind == "nudge.queued"]
    dropped = [data["id"] for kind, data in journal if kind == "nudge.dropped"]
    received = Counter(m["id"] for name in AGENTS for m in lines_of(f"{STATE}/received/{name}.jsonl") if m["id"])
    assert queued
    assert set(received.values()) == {1}, f"received twice: {received}"
    assert set(queued) == set(received) | set(dropped), f"queued {queued}, received {received}, dropped {dropped}"
    for phase in ("1", "2"):
        for kind, text in (("claim", "claim({} M1)"), ("verdict", "review({})"), ("done", "status({}): ## DONE")):
            found = [each for each in subjects() if each.startswith(text.format(phase))]
            assert len(found) == 1, f"pushed as {kind} of phase {phase}: {found}"
    told = [data["cause"] for kind, data in journal if kind == "nudge.queued" and data["kind"] == "reboot"]
    assert told == ["reboot 1", "reboot 2"], f"the orchestrator was told of: {told}"
    ends = Counter(kind for kind, _ in journal)
    assert (ends["phase.done"], ends["sequence.completed"]) == (2, 1), ends
    reports = [m for m in lines_of(f"{STATE}/received/report.jsonl") if m["kind"] == "kickoff"]
    assert len(reports) == 1, f"the report was asked for {len(reports)} times"
    machine.succeed("loops-demo journal verify")


def assert_reboots(count: int) -> None:
    """The record has a row for each reboot, each of another boot."""
    rows = machine.wait_until_succeeds(f"grep -E '^[|] [0-9]+ [|]' {ROOT}/REBOOTS.md", timeout=PATIENCE).splitlines()
    assert len(rows) == count, rows
    boots = {row.rstrip("| ").rsplit("| ", 1)[1] for row in rows}
    assert len(boots) == count, f"boot ids: {boots}"


def assert_secret_is_only_with_its_agent() -> None:
    """The Builder has the credential; nobody finds it in a file, a log or a command line."""
    agents = lives()
    has = f'grep -qzxF "DEMO_TOKEN=$(cat {SECRET})" /proc/%d/environ'
    machine.succeed(has % agents["builder"])
    machine.fail(has % agents["adversary"])
    assert_secret_is_nowhere()


def assert_secret_is_nowhere() -> None:
    """Neither in files that last nor in what the machine logged nor in anybody's command line."""
    search = f"grep -rlsF -f {SECRET}"
    assert machine.succeed(f"{search} /var/lib/secrets") == f"{SECRET}\n", "it would not be found anywhere"
    places = f"{store} /etc /var/log /var/lib/loops /srv /run/loops /tmp"
    for look in (
        f"{search} {places}",
        f"journalctl --no-pager --output=export | grep -aF -f {SECRET}",
        f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | grep -F -f {SECRET}",
    ):
        assert machine.succeed(f"{look} || true") == "", look


# ---- the scenario ----------------------------------------------------------------------------------------------------

machine.start(allow_reboot=True)

with subtest("two projects come up"):
    wait_until_all_is_back()
    assert not machine.succeed("systemctl --failed --no-legend").strip()

with subtest("the Adversary verifies a claim, and takes its time"):
    wait_for_push("claim(1 M1)")
    machine.wait_until_succeeds(f"grep claim {STATE}/received/adversary.jsonl", timeout=PATIENCE)

with subtest("a credential reaches its agent, and nothing else"):
    assert_secret_is_only_with_its_agent()

with subtest("another configuration restarts the unit that it changes"):
    before, agents = units(), lives()
    machine.succeed(change, timeout=PATIENCE)
    assert changed(before) == ["loops-demo.service"], changed(before)
    assert lives() == agents
    machine.succeed("loops-demo config show | grep stall_grace | grep 7200")

with subtest("the same configuration once more restarts nothing"):
    before = units()
    machine.succeed(change_again, timeout=PATIENCE)
    assert changed(before) == [], changed(before)

if wrong_change:
    with subtest("a wrong configuration is refused when it is built"):
        before = units()
        refused = machine.fail(wrong_change, timeout=PATIENCE)
        assert "watchdog.stall_grate: there is no such key" in " ".join(refused.split()), refused
        assert "stall_grace" in refused, refused
        assert changed(before) == [], changed(before)
        assert lives() == agents

with subtest("back to the configuration before"):
    before = units()
    machine.succeed(roll_back, timeout=PATIENCE)
    assert changed(before) == ["loops-demo.service"], changed(before)
    assert lives() == agents
    machine.succeed("loops-demo config show | grep stall_grace | grep 3600")

with subtest("a killed supervisor is back, and no agent has noticed"):
    before = units()
    machine.succeed("systemctl kill --signal=KILL loops-demo.service")
    machine.succeed(
        f"while [ $(systemctl show -p MainPID --value loops-demo) = {before['loops-demo.service']['MainPID']} ]; "
        "do sleep 0.1; done",
        timeout=PATIENCE,
    )
    wait_until_all_is_back()
    assert changed(before) == ["loops-demo.service"], changed(before)
    assert lives() == agents

with subtest("a reboot in the middle of a verification"):
    assert not [subject for subject in subjects() if subject.startswith("review(")]
    behave(patient_in="2")
    machine.reboot()
    wait_until_all_is_back()
    assert_reboots(1)
    wait_for_push("review(1)")

with subtest("a power cut right after a claim"):
    wait_for_push("status(1): ## DONE")
    machine.wait_until_succeeds(f"grep -q 'Phase 2' {STATE}/received/adversary.jsonl", timeout=PATIENCE)
    behave()  # whoever is started later; the Adversary of phase 2 is at work, and takes its time
    wait_for_push("claim(2 M1)")
    machine.crash()
    machine.start(allow_reboot=True)
    wait_until_all_is_back()
    assert_reboots(2)

with subtest("the agents end their work"):
    wait_for_push("status(2): ## DONE")
    machine.wait_until_succeeds(
        f"test -s {ROOT}/REPORT.md && grep sequence.completed {STATE}/journal/*.jsonl", timeout=PATIENCE
    )

with subtest("nothing is lost and nothing doubled"):
    assert_nothing_lost_or_doubled()
    assert_reboots(2)
    assert_secret_is_nowhere()
