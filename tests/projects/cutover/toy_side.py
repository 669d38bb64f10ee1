"""Two toy sides of real processes, and a conductor in a process of its own.  Run as a program: ``toy_side.py WORD ...``.

A side is a sleeping process whose pid stands in a file.  ``kill-KEY`` in the directory makes the command KEY kill its
conductor: before its work (``kill-KEY``), or after it (``kill-KEY-after``).  With ``slow`` it goes on only when the next
conductor says that it waits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from loops.projects.cutover.conduct import Answer, Conductor, Outcome
from loops.projects.cutover.hands import Machine
from loops.projects.cutover.plan import Check, Command, Ground, Plan, Side, Step, Way
from loops.projects.cutover.record import Places, Record

HERE = Path(__file__)


def toy_plan(root: Path) -> Plan:
    """Stop live, start staged; back: the other way round."""

    def command(*words: str, starts: Side | None = None) -> Command:
        return Command((sys.executable, str(HERE), str(root), *words), starts=starts, timeout=60.0)

    def seen(what: str) -> tuple[Check, ...]:
        return (Check(f"it is {what}", command("check", what)),)

    steps = (
        Step("look", "Look", "w", (), (), seen("live-up"), Way("looked"), 1.0),
        Step(
            "stop", "Stop", "w", (command("stop", "live"),), seen("live-up"), seen("live-down"),
            Way("w", (command("start", "live", starts=Side.LIVE),), seen("live-up")), 1.0,
        ),
        Step("write", "Write", "w", (command("write"),), (), seen("written"), Way("w", (command("erase"),), seen("erased")), 1.0),
        Step(
            "start", "Start", "w", (command("start", "staged", starts=Side.STAGED),), seen("live-down"), seen("staged-up"),
            Way("w", (command("stop", "staged"),), seen("staged-down")), 1.0,
        ),
    )  # fmt: skip
    ground = Ground(
        live="l", live_root="l", form="engine", live_digest="", staged_root="s", staged_config="s", staged_digest="",
        log_dir=str(root), prefix="", scripts=(), watchdogs=(), tmux="", unit="", unit_file="", personal=False, phases=(),
        members=(), soak=0.0,
    )  # fmt: skip
    return Plan(ground, steps)


def alive(root: Path, side: str) -> bool:
    try:
        pid = int((root / f"{side}.pid").read_text())
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, ValueError):
        return False


class Hands(Machine):
    """Real commands; who lives is known by the pid files."""

    def lives(self, side: Side) -> str:
        root = Path(self.ground.log_dir)
        return f"the {side.value} side" if alive(root, side.value) else ""

    def run(self, command: Command) -> Outcome:
        outcome = Machine.run(self, command)
        root = Path(self.ground.log_dir)
        if alive(root, "live") and alive(root, "staged"):
            (root / "BOTH").touch()
        return outcome


class Yes:
    def __init__(self, root: Path) -> None:
        self.root = root

    def ask(self, step: Step, number: int, *, back: bool, again: bool) -> Answer:
        return Answer.YES

    def say(self, line: str) -> None:
        print(line, flush=True)
        if line.endswith("waiting for it"):
            (self.root / "slow").unlink(missing_ok=True)  # any other command may live on for a moment too


def conduct(root: Path, way: str) -> int:
    plan = toy_plan(root)
    with Record(Places(str(root))) as book:
        conductor = Conductor(plan, book, Hands(plan.ground), Yes(root))
        end = conductor.back(ask=False) if way == "back" else conductor.forward()
    print(end.course.value)
    return 0


def act(root: Path, words: list[str]) -> int:
    key = "-".join(words)
    fatal(root, key)
    match words:
        case ["start", side] if not alive(root, side):
            child = subprocess.Popen(["sleep", "600"], start_new_session=True)
            (root / f"{side}.pid").write_text(str(child.pid))
        case ["stop", side] if alive(root, side):
            os.kill(int((root / f"{side}.pid").read_text()), signal.SIGKILL)
            while alive(root, side):
                time.sleep(0.01)
        case ["write"]:
            (root / "state").write_text("new")
        case ["erase"]:
            (root / "state").write_text("old")
        case ["check", what]:
            return 0 if holds(root, what) else 1
    fatal(root, f"{key}-after")
    return 0


def fatal(root: Path, key: str) -> None:
    flag = root / f"kill-{key}"
    if flag.exists():
        flag.unlink()
        os.kill(os.getppid(), signal.SIGKILL)
        deadline = time.monotonic() + 60.0
        while (root / "slow").exists() and time.monotonic() < deadline:
            time.sleep(0.01)


def holds(root: Path, what: str) -> bool:
    if what in ("written", "erased"):
        return ((root / "state").read_text() == "new") is (what == "written")
    side, _, up = what.partition("-")
    return alive(root, side) is (up == "up")


if __name__ == "__main__":
    if sys.argv[2] in ("forward", "back"):
        raise SystemExit(conduct(Path(sys.argv[1]), sys.argv[2]))
    raise SystemExit(act(Path(sys.argv[1]), sys.argv[2:]))
