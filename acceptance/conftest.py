"""Fixtures of the gates: scratch projects that end with their test and leave nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from outcome import FAILED, failed
from scratch import Scratch


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


@pytest.fixture
def new_scratch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Scratch]]:
    """Make an empty scratch project; each is torn down after the test, and its story is told when the test failed."""
    made: list[Scratch] = []

    def make() -> Scratch:
        made.append(Scratch(tmp_path / f"p{len(made)}"))
        return made[-1]

    yield make
    for scratch in made:
        (tmp_path / f"transcript-{scratch.prefix}txt").write_text("\n".join(scratch.said))
        if failed(request):
            print(scratch.story())
    for scratch in made:
        scratch.teardown()


@pytest.fixture
def scratch(new_scratch: Callable[[], Scratch]) -> Scratch:
    """One empty scratch project."""
    return new_scratch()
