"""The rehearsal of a cutover: the very same steps, by the same executor, on a copy, in namespaces of its own.

The copy lies at the same absolute paths as the originals, so that every path in every file holds.  Inside there is no
network but a loopback of its own, no other process, no /run, an empty /tmp; of the machine only the system's programs and
the engine can be read.  Credentials are not copied.  An agent's program that does not lie in the copy is played by a
stand-in (`loops.projects.cutover.standin`).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loops.errors import LoopsError
from loops.isolation.able import ability
from loops.isolation.sandbox import within
from loops.projects.cutover import copied_settings, copied_world, copying, namespace, sighting, transcript
from loops.projects.cutover.plan import Plan, encode
from loops.projects.cutover.record import Places, write_json
from loops.projects.cutover.rehearsed import Asked, Round, Verdict

Say = Callable[[str], None]


def rehearse(asked: Asked, places: Places, say: Say) -> Verdict:
    """Copy, play, and tell.

    Raises:
        LoopsError: there is no namespace to be had here, or the copy cannot be made.
    """
    able = ability(own_network=True)
    if not able:
        raise LoopsError(
            f"a rehearsal wants namespaces of its own, and there are none here: {able.reason}. `loops doctor` says what "
            "helps; or rehearse on a machine where bubblewrap runs, with both directories at the same paths"
        )
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    root = os.path.join(places.rehearsals, stamp)
    copy, out = os.path.join(root, "copy"), os.path.join(root, "out")
    os.makedirs(out)
    try:
        trees = copying.outermost([*asked.directories, asked.plan.ground.live_root, asked.plan.ground.staged_root])
        found = _copied(trees, copy, places, say, asked.unit)
        return _played(asked, able.program, trees, copy, out, found, root, places, say)
    finally:
        if not asked.keep:
            shutil.rmtree(copy, ignore_errors=True)


def _copied(trees: Sequence[str], copy: str, places: Places, say: Say, unit: str) -> copying.Copied:
    found = copying.Copied(left_out=unplayed(unit))
    # Of the cutover's own files only the record, which says whether the staged project was started by one.
    without = {
        os.path.realpath(each) for each in (places.rehearsals, places.plan, places.note, places.saved, places.lock)
    }
    for tree in trees:
        copying.copy(tree, copy + tree, without=without, found=found)
    say(f"copied {found.files} files, {found.bytes / 2**20:.1f} MB, of {', '.join(trees)}")
    return found


def _played(
    asked: Asked,
    bwrap: str,
    trees: Sequence[str],
    copy: str,
    out: str,
    found: copying.Copied,
    root: str,
    places: Places,
    say: Say,
) -> Verdict:
    programs = os.path.join(root, "programs")
    played = copied_world.standins(asked, trees, programs)
    for name in played:
        found.left_out.append(
            f"{name}: does not lie in the copy, and has neither network nor login: a stand-in plays it"
        )
    home = copied_world.home(asked, trees, copy, found)
    socket = os.path.dirname(asked.plan.ground.tmux)
    if socket and not any(within(socket, place) for place in (*trees, home)):
        os.makedirs(copy + socket, mode=0o700)
        trees = [*trees, socket]
    trees = [*trees, *copied_settings.lay(asked, trees, copy, found)]
    spec = {"plan": encode(asked.plan), "every": asked.every, "out": namespace.OUT, "expected": _expected(asked.plan)}
    write_json(os.path.join(out, "spec.json"), spec)
    told = os.path.join(root, "transcript.md")
    command = namespace.words(bwrap, trees, copy, out, programs, played, home)
    said: list[str] = []
    child = subprocess.Popen(
        command,
        env=namespace.environment(asked.search, home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        assert child.stdout is not None
        for line in child.stdout:
            said.append(line.rstrip("\n"))
            say(said[-1])
        child.wait()
    finally:
        if child.poll() is None:
            child.kill()  # and with it every process of the namespace
            child.wait()
    verdict = _verdict(out, told, found, said)
    with open(told, "w", encoding="utf-8") as file:
        file.write("\n".join(transcript.lines(asked, verdict, out, said)) + "\n")
    if verdict.passed:
        write_json(places.times, dict(verdict.measured))
    return verdict


def unplayed(unit: str) -> list[str]:
    """What of the real cutover no rehearsal does, when *unit* starts the live side; nothing when there is none."""
    why = "no service manager runs on the copy: `systemctl` and the step `boot` are not rehearsed"
    return [f"{unit}: {why}; the live side is ended and started by the unit's own commands"] if unit else []


def _expected(plan: Plan) -> list[str]:
    """The sessions that must come up on the copy: those that run in reality, or all, if it does not run now."""
    enabled = {member.session for member in plan.ground.members if member.enabled and member.kind != "task"}
    return sorted(enabled & set(sighting.live_sessions(plan.ground)) or enabled)


def _verdict(out: str, told: str, found: copying.Copied, said: Sequence[str]) -> Verdict:
    try:
        with open(os.path.join(out, "verdict.json"), encoding="utf-8") as file:
            facts: Mapping[str, Any] = json.load(file)
    except OSError:
        why = f"it broke off: {' / '.join(said[-3:]) or 'nothing was said'}"
        return Verdict(False, (), told, tuple(found.left_out), {}, why)
    rounds = tuple(Round(r["name"], r["course"], r["seconds"], r["good"], r["why"]) for r in facts["rounds"])
    measured = facts["rounds"][0]["steps"] if facts["rounds"] and facts["rounds"][0]["good"] else {}
    return Verdict(bool(facts["good"]), rounds, told, tuple(found.left_out), measured, facts["began"])
