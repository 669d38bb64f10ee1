"""The agent's private home: the variables that send its command line there."""

from __future__ import annotations

import os

from loops.known.model import Known
from loops.runner.order import RunOrder


def prepare(order: RunOrder, known: Known) -> dict[str, str]:
    """Make the home ready and return the variables for the command line.  Said twice, it changes nothing."""
    os.makedirs(order.home, mode=0o700, exist_ok=True)
    return {name: value.replace("{home}", order.home) for name, value in known.env.items()}
