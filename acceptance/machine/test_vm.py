"""The machine in qemu tells what went wrong, and nothing of it is left: tried with disks that no machine can live on."""

from __future__ import annotations

from pathlib import Path

import pytest
from root import Base
from scratch import alive
from transcript import Transcript, artifacts
from vm import Machine, MachineError, lack_of_machines


@pytest.fixture
def machine(debian: Base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    if reason := lack_of_machines():
        pytest.skip(reason)
    monkeypatch.setenv("LOOPS_ARTIFACTS", str(tmp_path))
    disk = tmp_path / "empty.raw"
    with disk.open("wb") as file:
        file.truncate(1 << 20)
    return Machine(disk, debian.kernel, Transcript(artifacts("vm")), mebibytes=512)


def test_a_kernel_panic_is_an_error_with_the_consoles_last_words_and_qemu_is_gone(machine: Machine) -> None:
    with machine:
        with pytest.raises(MachineError, match=r"(?s)the kernel panicked.*VFS: Unable to mount root fs"):
            machine.start()
        pid = machine.pid
    assert pid
    assert not alive(pid)


def test_a_disk_that_is_not_there_is_told_in_qemus_own_words(machine: Machine) -> None:
    machine.disk.unlink()
    with pytest.raises(MachineError, match="No such file or directory"), machine:
        machine.start()


def test_a_step_that_fails_is_named_with_the_place_of_the_transcript(tmp_path: Path) -> None:
    transcript = Transcript(tmp_path)

    def fail() -> None:
        with transcript.step("the third step"):
            raise MachineError("it is off")

    with pytest.raises(MachineError, match="it is off") as raised:
        fail()
    transcript.close()
    assert "“the third step”" in raised.value.__notes__[0]
    assert str(tmp_path) in raised.value.__notes__[0]
    assert "failed  the third step" in (tmp_path / "timings.txt").read_text()
