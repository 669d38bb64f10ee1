"""What a run on a throwaway machine leaves behind: every command with its answer and its time, and how long each step took."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def artifacts(name: str) -> Path:
    """An empty directory of this name for what a run leaves: below ``$LOOPS_ARTIFACTS``, else below the checkout's .cache."""
    directory = Path(os.environ.get("LOOPS_ARTIFACTS") or CHECKOUT / ".cache" / "artifacts") / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


class Transcript:
    """``transcript.txt`` and ``timings.txt`` in one directory; written as things happen, so that a killed run has them too."""

    def __init__(self, directory: Path) -> None:
        """Write into *directory*, which exists."""
        self.directory = directory
        self.steps: list[tuple[str, float]] = []
        self._began = time.monotonic()
        self._spent = os.times().children_user + os.times().children_system
        self._file = (directory / "transcript.txt").open("a", encoding="utf-8")

    @property
    def elapsed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._began

    def note(self, text: str) -> None:
        """Write one line."""
        self._file.write(f"[{self.elapsed:7.2f}s] {text}\n")
        self._file.flush()

    def command(self, command: str, code: int, seconds: float, answer: str) -> None:
        """Write a command that was run: indented as it was given, then what it answered."""
        self.note(f"$ {command.strip()}")
        said = "".join(f"    {line}\n" for line in answer.splitlines())
        self._file.write(f"{said}    -- exit {code} after {seconds:.2f}s\n")
        self._file.flush()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One named step: its name is in front of whatever fails in it, its time among the timings."""
        began = time.monotonic()
        self.note(f"=== {name}")
        result = "failed"
        try:
            yield
            result = "ok"
        except BaseException as error:
            self.note(f"=== {name}: {type(error).__name__}: {error}")
            error.add_note(f"in step “{name}”; everything that was done and said is in {self.directory}/transcript.txt")
            raise
        finally:
            seconds = time.monotonic() - began
            self.steps.append((name, seconds))
            line = f"{seconds:7.1f}s  {result:<6}  {name}"
            with (self.directory / "timings.txt").open("a", encoding="utf-8") as file:
                file.write(line + "\n")
            print(line, flush=True)

    def close(self) -> None:
        """Write the sum, with the processor time of the machines that have ended, and close the file."""
        times = os.times()
        spent = times.children_user + times.children_system - self._spent
        with (self.directory / "timings.txt").open("a", encoding="utf-8") as file:
            file.write(
                f"{self.elapsed:7.1f}s  in all, with {spent:.0f} s of processor time: less where nothing else runs\n"
            )
        self._file.close()
