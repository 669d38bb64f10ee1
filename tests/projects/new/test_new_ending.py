"""``loops new`` that is ended by a signal leaves nothing, and what SIGKILL leaves the next one of that name removes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import loops
import pytest
from engine_repository import EngineRepository
from loops.projects.new import Order, create
from loops.projects.new_ending import answered, held, workshop

PATIENCE = 60.0
GLANCE = 0.02
GIT = """\
#!/bin/sh
case " $* " in *" clone "*) : >"$REACHED"; exec sleep 600;; esac
exec {git} "$@"
"""
"""A git whose clone never comes to its end."""
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def default_signals() -> None:
    """Whatever runs the tests may have had some of them ignored."""
    for number in ENDING:
        signal.signal(number, signal.SIG_DFL)


class Making:
    """A ``loops new recipes`` in the middle of fetching its engine."""

    def __init__(self, parent: Path, engine: EngineRepository, tools: Path) -> None:
        self.parent = parent
        tools.mkdir()
        (tools / "git").write_text(GIT.format(git=shutil.which("git")))
        (tools / "git").chmod(0o755)
        reached = tools / "reached"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "loops",
                "new",
                "recipes",
                "--dir",
                str(parent),
                "--engine=v1",
                "--engine-url",
                engine.url,
            ],
            env={
                **os.environ,
                "PATH": f"{tools}:{os.environ['PATH']}",
                "PYTHONPATH": str(Path(loops.__file__).parents[1]),
                "REACHED": str(reached),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=default_signals,
        )
        deadline = time.monotonic() + PATIENCE
        while not reached.exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline, "it never came to the clone"
            time.sleep(GLANCE)

    def ended_by(self, number: int) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # the clone that a killed one leaves
        except ProcessLookupError:
            pass
        self.process.communicate()


@pytest.fixture
def parent(tmp_path: Path) -> Path:
    (tmp_path / "projects").mkdir()
    return tmp_path / "projects"


@pytest.fixture
def making(parent: Path, engine: EngineRepository, tmp_path: Path) -> Iterator[Making]:
    found = Making(parent, engine, tmp_path / "tools")
    yield found
    found.close()


def drafts(parent: Path) -> list[str]:
    return [name for name in os.listdir(parent) if name.startswith(".recipes.new-")]


@pytest.mark.parametrize("number", ENDING)
def test_a_signal_in_the_middle_leaves_nothing_and_ends_it_as_ever(making: Making, number: signal.Signals) -> None:
    assert len(drafts(making.parent)) == 1

    code = making.ended_by(number)

    assert os.listdir(making.parent) == []
    assert code == (130 if number == signal.SIGINT else -number)


def test_what_sigkill_leaves_the_next_one_of_that_name_removes_and_no_other(making: Making) -> None:
    assert making.ended_by(signal.SIGKILL) == -signal.SIGKILL
    left = drafts(making.parent)
    assert len(left) == 1

    create(Order("recipes-more", str(making.parent)))
    assert drafts(making.parent) == left
    create(Order("recipes", str(making.parent), prefix="r-"))

    assert sorted(os.listdir(making.parent)) == ["recipes", "recipes-more"]


def test_the_draft_of_one_that_lives_is_left_alone(making: Making) -> None:
    left = drafts(making.parent)

    create(Order("recipes", str(making.parent)))

    assert drafts(making.parent) == left
    assert making.ended_by(signal.SIGTERM) == -signal.SIGTERM
    assert os.listdir(making.parent) == ["recipes"]


@pytest.mark.parametrize("what", ["nothing", "another mark", "more", "a link"])
def test_what_is_not_beyond_doubt_its_own_is_left_alone(parent: Path, what: str, tmp_path: Path) -> None:
    with workshop(str(parent), "recipes") as shop:
        kept = tmp_path / "kept"
        shutil.copytree(shop, kept)
    place = parent / ".recipes.new-abcdefgh"
    if what == "a link":
        place.symlink_to(kept)
    else:
        shutil.copytree(kept, place)
    (mark,) = place.iterdir()
    if what == "nothing":
        mark.unlink()
    elif what == "another mark":
        mark.write_text("mine\n")
    elif what == "more":
        (place / "notes.txt").write_text("mine\n")
    before = sorted(os.listdir(place))

    create(Order("recipes", str(parent)))

    assert sorted(os.listdir(place)) == before
    assert sorted(os.listdir(kept)) == [mark.name]


@pytest.fixture
def listening() -> Iterator[None]:
    """SIGINT as Python has it by itself."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("listening")
def test_no_second_signal_cuts_the_undoing_short() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    undone = []

    def interrupted() -> None:
        with answered():
            try:
                signal.raise_signal(signal.SIGINT)
            finally:
                for number in ENDING:
                    signal.raise_signal(number)
                undone.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert undone == [True]
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.usefixtures("listening")
def test_a_signal_waits_while_a_change_and_the_note_of_it_are_made() -> None:
    made = []

    def interrupted() -> None:
        with answered(), held():
            signal.raise_signal(signal.SIGINT)
            made.append(True)

    with pytest.raises(KeyboardInterrupt):
        interrupted()

    assert made == [True]
