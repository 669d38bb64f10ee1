"""The files beside the tests, and what the fixtures of the tests are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from loops import config
from loops.config.model import Config

FIXTURES = Path(__file__).parent / "fixtures"

Write = Callable[[str], str]
Problems = Callable[[str], tuple[config.Problem, ...]]
Shipped = Callable[[str], Config]
