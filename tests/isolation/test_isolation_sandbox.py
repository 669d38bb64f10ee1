"""The words of bubblewrap, from facts."""

from __future__ import annotations

import itertools
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loops.config.model import Network
from loops.errors import LoopsError
from loops.isolation.sandbox import Access, Link, Mount, View, mounts, within, words

READ, WRITE, HIDE = Access.READ, Access.WRITE, Access.HIDE
ENTER = ("python", "enter.py")


def view(**facts) -> View:
    usual = {
        "agent": "adversary",
        "directory": "/p/work/adversary",
        "home": "/p/.loops/state/homes/adversary",
        "own": (Mount("/p/work/adversary", WRITE), Mount("/p/.loops/state/homes/adversary", WRITE)),
        "tools": (Mount("/usr", READ), Mount("/p/agents.toml", READ)),
        "forbidden": (("/p/.loops", "the engine's own files"), ("/p/work/builder", "the clone of builder")),
    }
    return View(**{**usual, **facts})


def spoken(**facts) -> str:
    return " ".join(words(view(**facts), bwrap="bwrap", enter=ENTER))


def laid(**facts) -> list[tuple[str, Access]]:
    return [(mount.path, mount.access) for mount in mounts(view(**facts))]


# ---- the words -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "part",
    [
        "--unshare-pid",
        "--unshare-ipc",
        "--unshare-user-try",
        "--cap-drop ALL",
        "--die-with-parent",
        "--proc /proc --dev /dev",
        "--tmpfs /tmp",
        "--ro-bind /usr /usr",
        "--bind /p/work/adversary /p/work/adversary",
        "--remount-ro / --setenv HOME /p/.loops/state/homes/adversary --chdir /p/work/adversary -- python enter.py",
    ],
)
def test_every_sandbox_has(part: str) -> None:
    assert part in spoken()


def test_the_network_is_taken_away_only_where_the_table_says_so() -> None:
    assert "--unshare-net" not in spoken()
    assert "--unshare-net" in spoken(network=Network.NONE)


def test_the_terminal_stays_its_controlling_one() -> None:
    assert "--new-session" not in spoken()


def test_the_environment_is_not_cleared_by_words_that_anybody_could_read() -> None:
    assert spoken().count("--setenv") == 1
    assert "--clearenv" not in spoken()


def test_links_stand_where_nothing_is_mounted() -> None:
    links = (
        Link("/bin", "usr/bin"),
        Link("/bin/sh", "/elsewhere"),
        Link("/usr/local", "/elsewhere"),
        Link("/alias", "/p/work/adversary"),
    )
    said = spoken(links=links)
    assert "--symlink usr/bin /bin" in said
    assert "--symlink /p/work/adversary /alias" in said
    assert "/elsewhere" not in said


# ---- what is mounted -----------------------------------------------------------------------------------------------


def test_a_mount_comes_before_what_lies_in_it() -> None:
    paths = [path for path, _ in laid(own=(Mount("/p", WRITE),), granted=(Mount("/p/a/b", READ), Mount("/p/a", READ)))]
    assert all(not within(early, late) or early == late for early, late in itertools.combinations(paths, 2))


def test_what_nothing_shows_is_not_hidden() -> None:
    assert HIDE not in [access for _, access in laid()]


def test_what_a_wider_directory_would_show_is_hidden_and_closed() -> None:
    facts = {"own": (Mount("/p", WRITE), Mount("/p/.loops/state/homes/x", WRITE)), "directory": "/p"}
    found = laid(**facts)
    assert ("/p/.loops", HIDE) in found
    assert ("/p/work/builder", HIDE) in found
    assert found.index(("/p/.loops", HIDE)) < found.index(("/p/.loops/state/homes/x", WRITE))
    assert "--remount-ro /p/.loops" in spoken(**facts)


def test_what_the_engine_gives_to_read_stays_so_in_a_directory_that_may_be_written() -> None:
    assert ("/p/agents.toml", READ) in laid(own=(Mount("/p", WRITE),))
    assert ("/p/agents.toml", READ) in laid(granted=(Mount("/p/agents.toml", WRITE),))


def test_what_is_shown_already_is_not_mounted_again() -> None:
    assert [path for path, _ in laid(tools=(Mount("/usr", READ), Mount("/usr/lib/python3", READ)))].count("/usr") == 1
    assert ("/usr/lib/python3", READ) not in laid(tools=(Mount("/usr", READ), Mount("/usr/lib/python3", READ)))


def test_the_sandboxs_own_tmp_shows_nothing_of_the_machines() -> None:
    found = laid(tools=(Mount("/tmp/tool", READ),), forbidden=(("/tmp/p/builder", "the clone of builder"),))
    assert ("/tmp/tool", READ) in found
    assert ("/tmp/p/builder", HIDE) not in found


def test_tools_that_lie_in_what_is_forbidden_are_left_out() -> None:
    assert laid(tools=(Mount("/p/work/builder/bin", READ),)) == laid(tools=())


@pytest.mark.parametrize("place", ["/p/work/builder", "/p/work/builder/docs", "/p/.loops/state/journal"])
def test_a_declared_path_in_what_is_forbidden_is_refused_with_the_remedy(place: str) -> None:
    with pytest.raises(LoopsError, match=f"adversary is isolated, and {place} lies in the .*isolate = false"):
        laid(granted=(Mount(place, READ),))


# ---- any facts -----------------------------------------------------------------------------------------------------

_PATHS = st.lists(st.sampled_from(["a", "b", "ab", "tmp", "c.d"]), min_size=1, max_size=4).map(
    lambda w: "/" + "/".join(w)
)
_MOUNTS = st.lists(st.builds(Mount, _PATHS, st.sampled_from([READ, WRITE])), max_size=5).map(tuple)


@given(own=_PATHS, granted=_MOUNTS, tools=_MOUNTS, others=st.lists(_PATHS, max_size=4))
def test_nothing_of_another_agent_is_ever_shown(own: str, granted, tools, others: list[str]) -> None:
    forbidden = tuple((place, "the clone of another") for place in others if place != own)
    facts = view(directory=own, own=(Mount(own, WRITE),), granted=granted, tools=tools, forbidden=forbidden)
    try:
        found = {mount.path: mount.access for mount in mounts(facts)}
    except LoopsError:
        assert any(within(mount.path, place) for mount in granted for place, _ in forbidden)
        return
    for place, _ in forbidden:
        for path in (place, f"{place}/x", *(p for p in found if within(p, place))):
            if not (within(path, own) and within(own, place)):
                assert _access(path, found) in (None, HIDE), (path, found)
    assert _access(own, found) is WRITE


def _access(path: str, found: dict[str, Access]) -> Access | None:
    """What bubblewrap makes of *path*: the last mount at or above it counts, and they come from the root downwards."""
    while path not in found and path not in ("/", "/tmp"):
        path = os.path.dirname(path)
    return found.get(path)
