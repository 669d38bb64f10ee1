"""What the migration of a staged project was told of its live deployment's start: said once, it holds for the cutover too."""

from __future__ import annotations

import json
import os

from loops.errors import LoopsError
from loops.projects.deployment.surroundings import Surroundings
from loops.projects.migrate.staging import FACTS


def told(staged: str) -> Surroundings:
    """Read it from the report in the directory *staged*; nothing was told when there is none.

    Raises:
        LoopsError: the report cannot be read.
    """
    path = os.path.join(staged, FACTS)
    try:
        with open(path, encoding="utf-8") as file:
            facts = json.load(file).get("told", {})
        return Surroundings(
            str(facts.get("unit", "")), tuple(map(str, facts.get("env_files", ()))), dict(facts.get("settings", {}))
        )
    except FileNotFoundError:
        return Surroundings()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise LoopsError(f"{path}: cannot be read as the report of a migration ({error}); stage it again") from error
