"""Fixtures of the acceptance tests with real agents: they skip, visibly, where these cannot run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from demands import demand
from outcome import failed
from pinned import pin
from real_project import RealProject


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.agents)


@pytest.fixture
def cli() -> Callable[[str], Path]:
    """The path of a pinned command line, by its name; skips where it cannot run."""

    def path(name: str) -> Path:
        demand(name)
        return pin(name).path

    return path


@pytest.fixture
def new_real(request: pytest.FixtureRequest) -> Iterator[Callable[..., RealProject]]:
    """Open a room for a project with real agents; it ends with the test, whose failure tells its story."""
    made: list[RealProject] = []

    def make(*backends: str, script: tuple[str, ...] = ()) -> RealProject:
        demand(*backends)
        made.append(RealProject(script=script))
        return made[-1]

    yield make
    for project in made:
        if failed(request):
            print(project.story())
    for project in made:
        project.teardown()
