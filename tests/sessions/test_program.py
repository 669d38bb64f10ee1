"""By what a supervisor knows that the holder runs another program than its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import loops
import pytest
from loops.sessions import holder, program

ENGINE = Path(loops.__file__).parent


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    for part in program.PARTS:
        if (ENGINE / part).is_dir():
            # Other processes write their caches into the same tree at this moment.
            shutil.copytree(ENGINE / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ENGINE / part, tmp_path / part)
    return tmp_path


def test_equal_programs_have_equal_digests_wherever_they_lie(engine: Path) -> None:
    assert program.digest(str(engine)) == program.DIGEST


@pytest.mark.parametrize("changed", ["sessions/held.py", "secrets/key_shapes.py", "sd_notify.py"])
def test_any_source_of_the_holder_makes_another_program(engine: Path, changed: str) -> None:
    with (engine / changed).open("a") as file:
        file.write("# a later version\n")
    assert program.digest(str(engine)) != program.DIGEST


def test_a_holder_runs_nothing_of_the_engine_that_its_digest_leaves_out() -> None:
    words = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        "import sys; sys.path.insert(0, sys.argv[1]); "
        "import loops.sessions.holder; print(*(m.__file__ for n, m in sys.modules.items() "
        "if n.startswith('loops.')), sep='\\n')",
        str(ENGINE.parent),
    ]
    ran = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert str(Path(holder.__file__)) in ran
    parts = {os.path.relpath(path, ENGINE).split(os.sep)[0] for path in ran}
    assert parts <= set(program.PARTS)
