"""What a plan takes from the live side's unit: all that it is started with, and no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from loops.errors import LoopsError
from loops.projects.cutover.ground import read_unit
from loops.projects.deployment.surroundings import Surroundings

PLANTED = "pl4nt3d"


def unit(root: Path, *lines: str) -> str:
    path = root / "live.service"
    path.write_text("\n".join(("[Service]", "ExecStart=/usr/bin/env python3 launch.py start", *lines)) + "\n")
    return str(path)


@pytest.mark.parametrize(
    "line",
    [
        f"Environment=GITHUB_TOKEN={PLANTED}",
        f"Environment=DB_PASS={PLANTED}",
        f"Environment=DBPASSWORD={PLANTED}",
        f"Environment=EXTRA=sk-ant-api03-{PLANTED * 6}",
        f"Environment=DATABASE=postgres://ci:{PLANTED}@db/ci",
        f"ExecStart=/usr/bin/env API_KEY={PLANTED} python3 other.py",
    ],
)
def test_a_secret_of_the_unit_gets_into_no_command(tmp_path: Path, line: str) -> None:
    found = read_unit(Surroundings(unit(tmp_path, line, "Environment=LOOP_MODEL=opus")), str(tmp_path))

    assert PLANTED not in repr(found)
    assert ("LOOP_MODEL", "opus") in found.env
    assert len(found.hidden) == 1


def test_of_environment_files_the_commands_have_what_a_script_names(tmp_path: Path) -> None:
    (tmp_path / "ci env").write_text(f"LOOP_MODEL=haiku\nKIMI_KEY={PLANTED}\nSTRIPE={PLANTED}\n")
    (tmp_path / "launch.py").write_text('model = environ["LOOP_MODEL"]\n')

    found = read_unit(
        Surroundings(unit(tmp_path, "Environment=LOOP_MODEL=opus", f"EnvironmentFile={tmp_path}/ci env")), str(tmp_path)
    )

    assert dict(found.env) == {"LOOP_MODEL": "haiku"}
    assert found.hidden == ("KIMI_KEY", "STRIPE")
    assert PLANTED not in repr(found)


def test_the_commands_of_the_unit_are_taken_word_by_word(tmp_path: Path) -> None:
    found = read_unit(
        Surroundings(
            unit(tmp_path, 'ExecStop=-/usr/bin/env python3 "/srv/a b/launch.py" stop', "WorkingDirectory=/srv/a b")
        ),
        str(tmp_path),
    )

    assert found.start == (("/usr/bin/env", "python3", "launch.py", "start"),)
    assert found.stop == (("/usr/bin/env", "python3", "/srv/a b/launch.py", "stop"),)
    assert found.cwd == "/srv/a b"


def test_a_unit_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LoopsError, match=r"gone\.service"):
        read_unit(Surroundings(str(tmp_path / "gone.service")), str(tmp_path))
