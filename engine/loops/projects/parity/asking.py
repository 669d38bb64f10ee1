"""Asking a live system by a command of its own, without letting the command change anything."""

from __future__ import annotations

import os
import selectors
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from loops.errors import ConfigError
from loops.isolation import readonly

LARGEST = 8 * 1024 * 1024
"""Bytes of output; a status of a thousand agents has a hundredth of it."""
_SAID = 300
"""Characters of what a failed command said."""


class AskingError(ConfigError):
    """The command cannot be run, or gave no answer.  Exit code 3."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command printed."""

    text: str
    confined: bool
    """It could change nothing, and could reach no session: what it says of their state is not so."""


def ask(command: str, *, within: float, trusted: bool, settings: Mapping[str, str] | None = None) -> Asked:
    """Run *command*, words as a shell would split them, and return what it prints.

    It runs where nothing can be changed (`loops.isolation.readonly`), in the working directory.

    Args:
        command: what is run.
        within: seconds that it may take.
        trusted: where no such view can be made, run it all the same.
        settings: its variables, besides PATH and the locale: none of ours is among them.

    Raises:
        AskingError: no such view can be made here, or the command failed, or it took too long or printed too much.
    """
    words = _words(command)
    hindrance = readonly.hindrance()
    if hindrance and not trusted:
        raise AskingError(
            f"{command}: it cannot be kept from changing anything here: {hindrance}; capture its output yourself and "
            "name the file, or say --trust-command if it changes nothing"
        )
    with _filter(not hindrance) as filter:
        argv = words if hindrance else readonly.words(words, directory=os.getcwd(), filter=filter[0])
        return Asked(_run(command, argv, filter, within, settings or {}), confined=not hindrance)


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise AskingError(f"{command}: {error}") from None
    if not words:
        raise AskingError("the command is empty: name one that prints a status")
    return words


@contextmanager
def _filter(wanted: bool) -> Iterator[tuple[int, ...]]:
    """The filter of system calls, to be read once."""
    if not wanted:
        yield ()
        return
    reading, writing = os.pipe()
    try:
        os.write(writing, readonly.socketless())
        os.close(writing)
        yield (reading,)
    finally:
        os.close(reading)


def _run(command: str, argv: Sequence[str], kept: tuple[int, ...], within: float, settings: Mapping[str, str]) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8", **settings}
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            pass_fds=kept,
            start_new_session=True,
        )
    except OSError as error:
        raise AskingError(f"{command}: {error.strerror}: {argv[0]}") from None
    try:
        said, complained = _output(command, process, within)
        code = process.wait(timeout=within)
    except subprocess.TimeoutExpired:
        raise AskingError(_late(command, within)) from None
    finally:
        _end(process)
    if code != 0:
        last = " ".join((complained or said).decode("utf-8", "replace").split())[-_SAID:]
        raise AskingError(f"{command}: it failed with exit code {code}: {last or 'it said nothing'}")
    return said.decode("utf-8", "replace")


def _output(command: str, process: subprocess.Popen[bytes], within: float) -> tuple[bytes, bytes]:
    """Both outputs to their ends.  A child that keeps them open is not waited for longer than *within*."""
    assert process.stdout is not None
    assert process.stderr is not None
    found = {process.stdout.fileno(): bytearray(), process.stderr.fileno(): bytearray()}
    until = time.monotonic() + within
    with selectors.DefaultSelector() as selector:
        for descriptor in found:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            left = until - time.monotonic()
            if left <= 0:
                raise AskingError(_late(command, within))
            for key, _ in selector.select(left):
                data = os.read(key.fd, 65536)
                found[key.fd] += data
                if len(found[key.fd]) > LARGEST:
                    raise AskingError(f"{command}: it printed more than {LARGEST} bytes: this is no status")
                if not data:
                    selector.unregister(key.fd)
    said, complained = found.values()
    return bytes(said), bytes(complained)


def _late(command: str, within: float) -> str:
    return f"{command}: it took longer than {within:g} s; give it more with --within"


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it stays: in the view, all processes end with the first."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdout, process.stderr):
        if stream is not None:
            stream.close()
