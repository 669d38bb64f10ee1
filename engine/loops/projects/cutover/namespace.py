"""The namespaces of a rehearsal: what is inside, by bubblewrap's own words, and the environment there."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from loops.isolation import surroundings
from loops.isolation.sandbox import NESTS, OWN, Access, Link, Mount, within
from loops.known.all import KNOWN

OUT = "/rehearsal"
"""Where the inside writes its records."""
PROGRAMS = "/rehearsal-programs"
"""Where the stand-ins are, first on PATH."""


def words(
    bwrap: str, trees: Sequence[str], copy: str, out: str, programs: str, played: Mapping[str, str], home: str
) -> list[str]:
    """bubblewrap's own words: what is inside, from the root downwards."""
    words = [bwrap, "--unshare-user-try", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"]
    words += ["--hostname", "rehearsal", "--cap-drop", "ALL", *NESTS, "--die-with-parent", "--new-session", *OWN]
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
    inside = (sys.executable, "-m", "loops.projects.cutover.inside", f"{OUT}/spec.json")
    return [*words, "--chdir", "/", "--", *inside]


def environment(search: str, home: str) -> dict[str, str]:
    """Names and language of ours, PATH of the live side; of keys only that there is one."""
    keys = {name for known in KNOWN.values() for name in known.keys}
    left = surroundings.kept(os.environ, own=(), keep=())
    kept = {
        name: value for name, value in left.items() if name != "LOOPS_RUNTIME_DIR" and not name.startswith("LOOPS_CRED")
    }
    path = os.pathsep.join((PROGRAMS, search, os.environ.get("PATH", ""), os.defpath))
    placeholders = {name: "not-a-key-in-a-rehearsal" for name in keys if os.environ.get(name)}
    fixed = {"PATH": path, "HOME": home, "TERM": "xterm-256color", "LOOPS_REHEARSAL": "1"}
    return {**kept, **placeholders, **fixed, "LOOPS_REHEARSAL_TALKS": f"{OUT}/conversations"}
