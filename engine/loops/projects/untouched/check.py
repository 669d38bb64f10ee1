"""Two looks compared: every difference, and who could have caused it.  Pure."""

from __future__ import annotations

from collections.abc import Sequence

from loops.projects.untouched.model import Baseline
from loops.projects.untouched.rules import Rule
from loops.projects.untouched.touch import Touch


def compare(before: Baseline, after: Baseline, rules: Sequence[Rule]) -> tuple[Touch, ...]:
    """Return every difference, the most alarming first.  The first rule that explains one decides."""
    raise NotImplementedError
