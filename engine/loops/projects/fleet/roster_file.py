"""fleet.toml as it changes, read in a process of its own: what is added counts at once, what is taken away when it stays away.

A bad edit changes nothing, and is told once.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from loops.projects.fleet import roster as rosters
from loops.projects.fleet.roster import Roster
from loops.supervisor.errands import Errands, Result
from loops.supervisor.inotify import Inotify
from loops.supervisor.membership import CrewPlace
from loops.supervisor.reactor import Reactor

SETTLED = 1.0
"""Seconds for which a project must be missing, or disabled: editors write in several steps."""
WITHIN = 60.0
"""Seconds for a reading that takes a quarter of one."""

Stamp = tuple[int, int, int] | None


class RosterFile:
    """Watches the fleet.toml of *place*.  *take* gets what it says; *say* a complaint."""

    def __init__(
        self,
        place: CrewPlace,
        reactor: Reactor,
        now: Callable[[], float],
        inotify: Inotify,
        *,
        take: Callable[[Roster], None],
        say: Callable[[str], None],
    ) -> None:
        self._place = place
        self._reactor = reactor
        self._now = now
        self._inotify = inotify
        self._take = take
        self._say = say
        self._errands = Errands(reactor, now)
        self._seen: Stamp = (0, 0, 0)
        self._reading = False
        self._taken: Roster | None = None
        self._complaint = ""

    def is_at(self, directory: str, name: str) -> bool:
        """Whether a change of *name* in *directory* is one of this file."""
        return os.path.join(directory, name) == self._place.fleet

    def look(self) -> None:
        """Take the file in if it changed."""
        self._inotify.watch(os.path.dirname(self._place.fleet))
        stamp = self._stamp()
        if self._reading or stamp == self._seen:
            return
        self._seen = stamp
        known = rosters.kept(self._place.fleet)
        if known is not None:
            self._understand(known)
            return
        self._reading = True
        self._errands.run(rosters.command(self._place.fleet), self._read, timeout=WITHIN)

    def _read(self, result: Result) -> None:
        self._reading = False
        if self._stamp() != self._seen:
            self.look()
            return
        found = rosters.kept(self._place.fleet) if result.code == 0 else None
        if found is None:
            self._complain(result.error or "its contents could not be kept")
            if self._taken is None:
                self._reactor.at("fleet", self._now() + SETTLED, self._look_anew)
            return
        self._understand(found)

    def _understand(self, found: Roster) -> None:
        if found.problems:
            self._complain("\n".join(found.problems))
            if self._taken is not None:  # whose entry is broken now must not count as taken away
                return
        else:
            self._complaint = ""
        self._settle(found)

    def _look_anew(self) -> None:
        self._seen = (0, 0, 0)
        self.look()

    def _settle(self, found: Roster) -> None:
        """Have what is new or enabled at once, and all of it when the file has stayed as it is."""
        before = self._taken
        if before is None or _loses_nothing(before, found):
            self._taken = found
            self._take(found)
            return
        now = {each.config_path: each for each in found.projects}
        kept = [each for each in before.projects if each.config_path not in now or not now[each.config_path].enabled]
        known = {each.config_path for each in kept}
        both = (*(each for each in found.projects if each.config_path not in known), *kept)
        self._taken = Roster(found.path, both)
        self._take(self._taken)
        stamp = self._seen
        self._reactor.at("fleet", self._now() + SETTLED, lambda: self._confirm(found, stamp))

    def _confirm(self, found: Roster, stamp: Stamp) -> None:
        if self._seen != stamp or self._stamp() != stamp:
            self.look()
            return
        self._taken = found
        self._take(found)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            self._complaint = text
            self._say(f"{text}\n{self._place.fleet}: what was known of the other projects stays in force")

    def _stamp(self) -> Stamp:
        try:
            about = os.stat(self._place.fleet)
        except OSError:
            return None
        return about.st_mtime_ns, about.st_size, about.st_ino


def _loses_nothing(before: Roster, now: Roster) -> bool:
    enabled = {each.config_path for each in now.projects if each.enabled}
    return all(each.config_path in enabled for each in before.projects if each.enabled) and {
        each.config_path for each in before.projects
    } <= {each.config_path for each in now.projects}
