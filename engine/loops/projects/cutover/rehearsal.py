"""The rehearsal of a cutover: the very same steps, by the same executor, on a copy, in namespaces of its own.

The copy lies at the same absolute paths as the originals, so that every path in every file holds.  Inside there is no
network but a loopback of its own, no other process, no /run, an empty /tmp; of the machine only the system's programs and
the engine can be read.  Credentials are not copied.  An agent's program that does not lie in the copy is played by a
stand-in (`loops.projects.cutover.standin`).
"""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loops.boot.git import git_or_none
from loops.errors import LoopsError
from loops.isolation import surroundings
from loops.isolation.able import ability
from loops.isolation.sandbox import Access, Link, Mount, within
from loops.known.all import KNOWN
from loops.projects.cutover import copying, sighting, standin
from loops.projects.cutover.plan import Plan, encode
from loops.projects.cutover.record import Places, write_json
from loops.projects.cutover.runbook import span
from loops.runner.home import login_source

Say = Callable[[str], None]
OUT = "/rehearsal"
"""Where the inside writes its records."""
PROGRAMS = "/rehearsal-programs"
"""Where the stand-ins are, first on PATH."""


@dataclass(frozen=True, slots=True)
class Round:
    """One way through the plan."""

    name: str
    course: str
    seconds: float
    good: bool
    why: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How it went."""

    passed: bool
    rounds: tuple[Round, ...]
    transcript: str
    """Path of what was said and done: every command with its output, exit code and duration."""
    left_out: tuple[str, ...]
    """What was not copied, or not as it is."""
    measured: Mapping[str, float]
    """Seconds by step, of the first way forward."""
    why: str = ""

    def lines(self) -> Iterator[str]:
        """For a person."""
        yield ""
        for each in self.rounds:
            yield f"{'ok  ' if each.good else 'FAIL'}  {each.name}: {each.course}, {span(each.seconds)} {each.why}".rstrip()
        if self.why:
            yield f"FAIL  {self.why}"
        for left in self.left_out:
            yield f"note  {left}"
        yield f"transcript: {self.transcript}"
        yield "PASSED: forward, back, and forward again" if self.passed else "FAILED: do not run this cutover"


@dataclass(frozen=True, slots=True)
class Asked:
    """What shall be rehearsed, and with what."""

    plan: Plan
    directories: tuple[str, ...]
    """What is copied, besides both projects."""
    programs: tuple[str, ...]
    """The agents' programs, as the settings of either side name them."""
    search: str
    """PATH of the live side."""
    conversations: tuple[str, ...] = ()
    """Ids of those whose files are copied from the user's home."""
    every: bool = False
    keep: bool = False
    unit: str = ""
    """The unit that the real cutover disables, and that no service manager plays here."""


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
    played = _standins(asked, trees, programs)
    for name in played:
        found.left_out.append(
            f"{name}: does not lie in the copy, and has neither network nor login: a stand-in plays it"
        )
    home = _home(asked, trees, copy, found)
    socket = os.path.dirname(asked.plan.ground.tmux)
    if socket and not any(within(socket, place) for place in (*trees, home)):
        os.makedirs(copy + socket, mode=0o700)
        trees = [*trees, socket]
    spec = {"plan": encode(asked.plan), "every": asked.every, "out": OUT, "expected": _expected(asked.plan)}
    write_json(os.path.join(out, "spec.json"), spec)
    transcript = os.path.join(root, "transcript.md")
    command = [*_words(bwrap, trees, copy, out, programs, played, home), *_inside()]
    said: list[str] = []
    child = subprocess.Popen(
        command,
        env=_environment(asked, home),
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
    verdict = _verdict(out, transcript, found, said)
    with open(transcript, "w", encoding="utf-8") as file:
        file.write("\n".join(_transcript(asked, verdict, out, said)) + "\n")
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


def _verdict(out: str, transcript: str, found: copying.Copied, said: Sequence[str]) -> Verdict:
    try:
        with open(os.path.join(out, "verdict.json"), encoding="utf-8") as file:
            facts: Mapping[str, Any] = json.load(file)
    except OSError:
        why = f"it broke off: {' / '.join(said[-3:]) or 'nothing was said'}"
        return Verdict(False, (), transcript, tuple(found.left_out), {}, why)
    rounds = tuple(Round(r["name"], r["course"], r["seconds"], r["good"], r["why"]) for r in facts["rounds"])
    measured = facts["rounds"][0]["steps"] if facts["rounds"] and facts["rounds"][0]["good"] else {}
    return Verdict(bool(facts["good"]), rounds, transcript, tuple(found.left_out), measured, facts["began"])


# ---- the namespace -----------------------------------------------------------------------------------------------------


def _words(
    bwrap: str, trees: Sequence[str], copy: str, out: str, programs: str, played: Mapping[str, str], home: str
) -> list[str]:
    """bubblewrap's own words: what is inside, from the root downwards."""
    words = [bwrap, "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    words += [
        "--hostname",
        "rehearsal",
        "--cap-drop",
        "ALL",
        "--cap-add",
        "CAP_SETFCAP",
        "--die-with-parent",
        "--new-session",
    ]
    words += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--perms",
        "1777",
        "--tmpfs",
        "/tmp",
        "--perms",
        "1777",
        "--tmpfs",
        "/var/tmp",
    ]
    shown = [*surroundings.system(), *surroundings.engine()]
    own = {tree: copy + tree for tree in trees}
    own |= {home: copy + home, OUT: out, PROGRAMS: programs}
    mounts = {each.path: each for each in shown if isinstance(each, Mount)}
    laid = sorted(
        {*mounts, *own, *(path for path in played.values() if path)}, key=lambda path: path.rstrip("/").count("/")
    )
    for path in laid:
        if path in own:
            words += ["--bind", own[path], path]
        elif path in mounts:
            words += [Access.READ.value, path, path]
        else:
            words += [Access.READ.value, os.path.join(programs, os.path.basename(path)), path]
    places: list[str] = list(laid)
    for link in (each for each in shown if isinstance(each, Link)):
        if not any(within(link.path, place) for place in places):
            words += ["--symlink", link.target, link.path]
            places.append(link.path)
    return [*words, "--chdir", "/"]


def _inside() -> list[str]:
    return ["--", sys.executable, "-m", "loops.projects.cutover.inside", f"{OUT}/spec.json"]


def _environment(asked: Asked, home: str) -> dict[str, str]:
    """Names and language of ours, PATH of the live side; of keys only that there is one."""
    keys = {name for known in KNOWN.values() for name in known.keys}
    left = surroundings.kept(os.environ, own=(), keep=())
    kept = {
        name: value for name, value in left.items() if name != "LOOPS_RUNTIME_DIR" and not name.startswith("LOOPS_CRED")
    }
    path = os.pathsep.join((PROGRAMS, asked.search, os.environ.get("PATH", ""), os.defpath))
    placeholders = {name: "not-a-key-in-a-rehearsal" for name in keys if os.environ.get(name)}
    fixed = {"PATH": path, "HOME": home, "TERM": "xterm-256color", "LOOPS_REHEARSAL": "1"}
    return {**kept, **placeholders, **fixed, "LOOPS_REHEARSAL_TALKS": f"{OUT}/conversations"}


def _home(asked: Asked, trees: Sequence[str], copy: str, found: copying.Copied) -> str:
    """A home for everything inside, at the path of the real one: the conversations, and placeholders of the logins."""
    home = os.path.realpath(os.path.expanduser("~"))
    inside = any(within(home, tree) for tree in trees)
    os.makedirs(copy + home, mode=0o700, exist_ok=True)
    for known in KNOWN.values():
        for below in known.login:
            path = os.path.join(home, below)
            if os.path.exists(path) and not inside:
                found.left_out.append(f"{path}: holds credentials; an empty one stands in its place")
                found.secrets.append(path)
                os.makedirs(os.path.dirname(copy + path), exist_ok=True)
                with open(copy + path, "w", encoding="utf-8") as file:
                    file.write("{}\n")
    for path in _talks(asked.conversations):
        if within(path, home) and not inside:
            os.makedirs(os.path.dirname(copy + path), mode=0o700, exist_ok=True)
            shutil.copy2(path, copy + path)
        elif not any(within(path, tree) for tree in trees):
            found.left_out.append(f"{path}: lies outside of the home and of what is copied (--also)")
    return home


def _talks(ids: Sequence[str]) -> Iterator[str]:
    """The files of these conversations in the user's own home."""
    for known in KNOWN.values():
        folder, pattern = known.conversations
        for id in ids if folder else ():
            where = glob.escape(login_source(known, folder))
            yield from sorted(glob.glob(os.path.join(where, pattern.replace("{id}", glob.escape(id)))))


def _standins(asked: Asked, trees: Sequence[str], programs: str) -> dict[str, str]:
    """Make the stand-ins; return the names of what they play, each with the absolute path that it is called by, if any."""
    os.makedirs(programs, exist_ok=True)
    with open(standin.__file__, encoding="utf-8") as file:
        text = f"#!{sys.executable}\n{file.read()}"
    played: dict[str, str] = {}
    search = os.pathsep.join((asked.search, os.environ.get("PATH", os.defpath)))
    for program in asked.programs:
        path = shutil.which(program, path=search) or program
        real = os.path.realpath(path)
        if any(within(real, tree) for tree in trees):
            continue
        place = os.path.join(programs, os.path.basename(program))
        with open(place, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(place, 0o755)
        played[program] = path if os.path.isabs(program) else ""
    return played


def directories(members: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """What has to be copied: working directories, the remotes on this disk that they push to, and what was named."""
    found = [path for path in members if os.path.isdir(path)]
    for path in tuple(found):
        remote = git_or_none(path, "config", "--get", "remote.origin.url") or ""
        remote = remote.strip().removeprefix("file://")
        if remote and os.path.isdir(os.path.join(path, remote)):
            found.append(os.path.realpath(os.path.join(path, remote)))
    return (*dict.fromkeys(found), *more)


# ---- the transcript ----------------------------------------------------------------------------------------------------


def _transcript(asked: Asked, verdict: Verdict, out: str, said: Sequence[str]) -> Iterator[str]:
    yield f"# Rehearsal of the cutover of {asked.plan.ground.live}"
    yield ""
    yield f"Plan {asked.plan.digest[:16]}; {'PASSED' if verdict.passed else 'FAILED'}."
    for each in verdict.rounds:
        yield f"- {each.name}: {each.course}, {each.seconds:g} s {each.why}".rstrip()
    for left in verdict.left_out:
        yield f"- not as in reality: {left}"
    yield ""
    yield "## Every command"
    for facts in _entries(os.path.join(out, "record.jsonl")):
        if facts["mark"] == "ran":
            yield ""
            yield f"    [{facts['round']} / {facts['step']}] $ {facts['command']}"
            for line in str(facts["output"]).splitlines():
                yield f"    {line}"
            yield f"    exit {facts['code']} after {facts['seconds']:g} s"
        else:
            yield ""
            yield f"**{facts['mark']}** {facts['step']} {facts['detail']}".rstrip()
    yield ""
    yield "## What was said"
    yield ""
    yield from (f"    {line}" for line in said)


def _entries(path: str) -> Iterator[Mapping[str, Any]]:
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)
    except FileNotFoundError:
        return
