"""The one process that supervises many projects: who is in its charge, and what becomes of one that fails.

A project that cannot be supervised, or whose supervisor fails in its turn, is let go, said, and tried again; nobody else
notices.  fleet.toml is read again when it changes: what is new or enabled is taken in charge, what is disabled is put down,
and what is no longer there goes on under a supervisor of its own.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from loops.config.cache import write
from loops.errors import LoopsError
from loops.places import Runtime
from loops.projects.fleet.roster import Roster
from loops.projects.fleet.roster_file import RosterFile
from loops.projects.fleet.ward import Standing, Ward, Wish
from loops.sessions.terminal import raise_descriptor_limit
from loops.supervisor import arriving, membership, processes
from loops.supervisor.config_file import why_refused
from loops.supervisor.control import Control
from loops.supervisor.crew import LONGEST_TURN, Crew, Ending, Stuck
from loops.supervisor.inotify import Inotify
from loops.supervisor.membership import CrewPlace
from loops.supervisor.parts import Shared
from loops.supervisor.run import Supervisor

RESUME = Wish()
"""Go on as the journal left the project."""
NET = 30.0
"""Seconds between two looks at what no event tells."""


class FleetCrew:
    """The process at *place*.  *command*: by which holders start it again.  *all*: see `loops.projects.fleet.watchdog.run`."""

    def __init__(self, place: CrewPlace, command: Sequence[str], *, all: bool = False) -> None:
        """SessionError: its socket cannot be made."""
        self._place = place
        self._command = command
        self._all = all
        self._crew = Crew(look_again=self._look_again, limit=LONGEST_TURN)
        self._now = self._crew.now
        self._wards: dict[str, Ward] = {}
        self._queue: deque[Ward] = deque()
        self._known = False
        self._inotify = Inotify()
        self._file = RosterFile(place, self._crew.reactor, self._now, self._inotify, take=self._take, say=self._say)
        self._control = Control(self._crew.reactor, place.control_socket, self._answer, self._now)

    def run(self) -> int:
        """Supervise until asked to leave; the agents live on then.  Return the exit code."""
        raise_descriptor_limit()
        self._crew.shell.listen()
        self._crew.reactor.watch(self._inotify.fileno(), self._changed)
        self._file.look()
        self._net()
        try:
            return self._crew.run()
        finally:
            self._control.close()

    # ---- who is in charge ------------------------------------------------------------------------------------------

    def _take(self, roster: Roster) -> None:
        """fleet.toml says so now."""
        listed = {each.config_path: each for each in roster.projects}
        for path, each in listed.items():
            ward = self._wards.get(path)
            if ward is None:
                ward = self._wards[path] = Ward(each.name, path, each.enabled)
                self._meet(ward)
            elif each.enabled and not ward.enabled:
                self._begin(ward, Wish(up=True))
            elif ward.enabled and not each.enabled:
                self._put_down(ward)
            ward.name, ward.enabled = each.name, each.enabled
        for path in [path for path in self._wards if path not in listed]:
            self._hand_over(self._wards.pop(path))
        if not self._known:
            self._known = True
            self._adopt_the_forgotten(listed)
        if not self._queue:
            self._crew.shell.ready()

    def _meet(self, ward: Ward) -> None:
        """A project that was not known before: in the file anew, or because we have just come."""
        ours = membership.of(Runtime(ward.config_path))
        if not ward.enabled:
            ward.become(Standing.DISABLED, self._now())
            if ours is not None and ours.fleet == self._place.fleet:
                self._begin(ward)  # it was disabled while nobody looked
        elif self._known or self._all:
            self._begin(ward, Wish(begins=True))
        elif ours is not None and ours.fleet == self._place.fleet:
            self._begin(ward)

    def _adopt_the_forgotten(self, listed: dict[str, Any]) -> None:
        """What a process before us had in its charge, and is no longer in the file, must not be without a supervisor."""
        for path in self._place.remembered():
            if path not in listed:
                self._hand_over(Ward(path, path, False, Standing.APART))

    def _begin(self, ward: Ward, wish: Wish = RESUME) -> None:
        """Take *ward* in charge, after those that wait already: one a turn, so that nobody waits for all of them."""
        if ward.member is None:
            ward.wish, ward.pause = wish, 0.0
            ward.become(Standing.WAITING, self._now())
            self._queue.append(ward)
            self._crew.reactor.at("start", self._now(), self._start_next)

    def _start_next(self) -> None:
        ward = self._queue.popleft()
        if self._queue:
            self._crew.reactor.at("start", self._now(), self._start_next)
        else:
            self._crew.shell.ready()
        if ward.standing is Standing.WAITING and self._wards.get(ward.config_path) is ward:
            self._start(ward)

    def _start(self, ward: Ward) -> None:
        wish = ward.wish
        ward.tries += 1
        runtime = Runtime(ward.config_path)
        try:
            runtime.create()
            membership.join(runtime, self._place)
            shared = Shared(self._command, self._place.lock, partial(self._said, ward), wish.begins)
            with self._crew.limited():
                supervisor = Supervisor(ward.config_path, up=wish.up, shared=shared)
            if supervisor.rests and not wish.asked:
                supervisor.abandon()
                ward.become(Standing.DOWN if ward.enabled else Standing.DISABLED, self._now())
                return
            ward.member = self._crew.add(supervisor, partial(self._ended, ward))
        except Exception as error:
            self._stumble(ward, error)
            return
        ward.wish = RESUME
        ward.become(Standing.RUNNING, self._now())
        self._remember()
        if not ward.enabled:
            self._put_down(ward)

    def _ended(self, ward: Ward, ending: Ending) -> None:
        supervisor = ward.member.supervisor if ward.member is not None else None
        ward.member = None
        if ending.error is not None:
            self._stumble(ward, ending.error)
        elif ending.code:
            self._stumble(ward, LoopsError(ward.said or f"its supervisor ended with status {ending.code}"))
        elif supervisor is not None and not supervisor.state.up:
            ward.become(Standing.DOWN if ward.enabled else Standing.DISABLED, self._now())
        else:
            membership.leave(Runtime(ward.config_path))
            ward.become(Standing.APART, self._now(), "another supervisor was asked for")
        self._remember()

    def _stumble(self, ward: Ward, error: Exception) -> None:
        """Say why *ward* cannot be supervised, and when that is tried again."""
        if isinstance(error, LoopsError | OSError | Stuck):
            why = str(error)
        else:
            why = f"its supervisor failed, which is a mistake of loops: {type(error).__name__}: {error}"
            self._say_of(ward, "".join(traceback.format_exception(error)).rstrip())
        told = why == ward.why
        ward.stumble(self._now(), why, stuck=isinstance(error, Stuck))
        if not told:
            self._say_of(ward, f"{why}; the other projects go on, and this one is tried again")
        self._inotify.watch(os.path.dirname(ward.config_path))
        self._crew.reactor.at(f"again {ward.config_path}", ward.again, partial(self._try_again, ward))

    def _try_again(self, ward: Ward) -> None:
        self._crew.reactor.cancel(f"again {ward.config_path}")
        if ward.standing is not Standing.BROKEN or self._wards.get(ward.config_path) is not ward:
            return
        if ward.why and ward.why == why_refused(ward.config_path):
            self._stumble(ward, LoopsError(ward.why))  # the same file: to check it again would only take time
        else:
            self._start(ward)

    def _put_down(self, ward: Ward) -> None:
        """It is disabled: its agents end in good order, as by `loops down`."""
        member = ward.member
        if member is None:
            ward.become(Standing.DISABLED, self._now())
            return
        self._say_of(ward, f"is disabled in {self._place.fleet}: it is put down")
        member.supervisor.put_down()
        self._crew.turn(member)

    def _hand_over(self, ward: Ward) -> None:
        """It is no longer in the file, which says nothing about its agents: they go on under a supervisor of their own."""
        runtime = Runtime(ward.config_path)
        ours = membership.of(runtime)
        if ward.member is not None:
            ward.member.supervisor.leave()
            self._crew.turn(ward.member)
        if ours is None or ours.fleet != self._place.fleet:
            return
        membership.leave(runtime)
        if ward.standing is Standing.DOWN or not processes.holder(runtime):
            return
        self._say_of(ward, f"is no longer in {self._place.fleet}: it goes on under a supervisor of its own")
        try:
            arriving.hand_over(ward.config_path, runtime)
        except LoopsError as error:
            self._say_of(ward, f"{error}; `loops up` there starts one")

    def _remember(self) -> None:
        paths = [ward.config_path for ward in self._wards.values() if ward.member is not None]
        write(self._place.members, json.dumps(paths).encode())

    # ---- what happens ----------------------------------------------------------------------------------------------

    def _changed(self) -> None:
        for change in self._inotify.read():
            if change.lost or self._file.is_at(change.directory, change.name):
                self._file.look()
            for ward in list(self._wards.values()):
                if ward.standing is Standing.BROKEN and (
                    change.lost or os.path.join(change.directory, change.name) == ward.config_path
                ):
                    ward.pause = 0.0
                    self._try_again(ward)

    def _look_again(self) -> None:
        self._file.look()

    def _net(self) -> None:
        self._crew.reactor.at("net", self._now() + NET, self._net)
        self._file.look()
        with suppress(LoopsError):
            self._control.keep_place()
        for ward in self._wards.values():
            if ward.member is not None:
                with suppress(OSError):
                    membership.join(Runtime(ward.config_path), self._place)

    def _say(self, text: str) -> None:
        with suppress(OSError):
            print(f"[loops] {text}", file=sys.stderr, flush=True)

    def _said(self, ward: Ward, text: str) -> None:
        ward.said = text
        self._say_of(ward, text)

    def _say_of(self, ward: Ward, text: str) -> None:
        self._say(f"{ward.name}: {text}")

    # ---- asked over the socket -------------------------------------------------------------------------------------

    def _answer(self, line: bytes) -> bytes:
        try:
            answer = self._dispatch(json.loads(line))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            answer = {"ok": False, "error": f"not a request: {error}"}
        return json.dumps(answer).encode() + b"\n"

    def _dispatch(self, request: dict[str, Any]) -> dict[str, Any]:
        verb = request["verb"]
        if verb == "status":
            now = self._now()
            projects = [ward.facts(now) for ward in self._wards.values()]
            return {"ok": True, "pid": os.getpid(), "fleet": self._place.fleet, "projects": projects}
        if verb == "bring":
            wish = Wish(up=bool(request.get("up")), asked=True)
            return {"ok": True, "known": [path for path in request["configs"] if self._bring(str(path), wish)]}
        if verb == "rest":
            for path in request["configs"]:
                self._rest(str(path))
            return {"ok": True}
        if verb == "leave":
            self._crew.leave()
            return {"ok": True}
        raise ValueError(f"unknown verb {verb!r}")

    def _bring(self, path: str, wish: Wish) -> bool:
        """Take the project at *path* in charge; False when it is none of ours."""
        ward = self._wards.get(path)
        if ward is None or not ward.enabled:
            return False
        self._begin(ward, wish)
        return True

    def _rest(self, path: str) -> None:
        """The project at *path* is to be down: it is not tried any more."""
        ward = self._wards.get(path)
        if ward is not None and ward.member is None and ward.enabled:
            ward.become(Standing.DOWN, self._now())
