"""Fixtures of the machine tests: they skip, visibly, where a machine cannot be made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from container import Container, lack_of_containers
from deployed import Deployed, furnish
from disk import Disk
from outcome import failed
from root import Base, Missing, base

VERSIONS = ("A", "B")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.machine)


@pytest.fixture(scope="session")
def debian() -> Base:
    """The Debian tree and the kernel that machines are made from; nobody writes below it."""
    try:
        return base()
    except Missing as reason:
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def furnished(debian: Base, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Disk]:
    """A Debian with the engine in two versions and a user for projects: what the disks of containers stand on."""
    if reason := lack_of_containers():
        pytest.skip(reason)
    disk = Disk(tmp_path_factory.mktemp("furnished"), (debian.tree,))
    furnish(disk, VERSIONS)
    yield disk
    disk.remove()


@pytest.fixture
def new_machine(
    request: pytest.FixtureRequest, furnished: Disk, tmp_path: Path
) -> Iterator[Callable[[str], Container]]:
    """Make a machine with a name; each is ended after the test, and its story is told when the test failed."""
    made: list[Container] = []

    def make(name: str) -> Container:
        directory = tmp_path / name
        directory.mkdir()
        made.append(Container(Disk(directory, furnished.layers), name))
        return made[-1]

    yield make
    for machine in made:
        if failed(request):
            print(machine.story())
    with ExitStack() as all_of_them:  # also when one of them does not want to
        for machine in made:
            all_of_them.callback(machine.end)


@pytest.fixture
def machine(new_machine: Callable[[str], Container]) -> Container:
    """A machine that has booted."""
    made = new_machine("machine")
    made.start()
    return made


@pytest.fixture
def deployed(machine: Container) -> Deployed:
    """A project in it, still to be written."""
    return Deployed(machine)
