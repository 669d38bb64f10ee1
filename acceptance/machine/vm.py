"""A throwaway virtual machine in the manner of the NixOS test driver: qemu in software, a root shell on a virtio port.

machine = Machine(disk, kernel, transcript)
with machine:
    machine.start()
    machine.succeed("systemctl is-system-running --wait")
    machine.crash()
    machine.start()
"""

from __future__ import annotations

import base64
import os
import platform
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from transcript import Transcript

BOOT = 300.0
"""Seconds that a boot may take: thirty times what it takes."""
PATIENCE = 300.0
"""Seconds that a command, or waiting for something, may take unless it is told otherwise."""
GLANCE = 0.3
"""Seconds between two tries of the same command."""
TELL = 20.0
"""Seconds after which a command that is tried again and again is told of once more."""
READY = re.compile(rb"BACKDOOR-READY\s")

# 6.12 panics on qemu 7.2's `max` processor: cmpxchg16b.
PROCESSOR = "max,-cx16,-la57"
APPEND = (
    "root=/dev/nvme0n1 rootfstype=ext4 rw console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off "
    "random.trust_cpu=on systemd.getty_auto=no"
)

# run SECONDS TAG COMMAND-IN-BASE64: both outputs come back in base64, so that nothing in them is taken for ours.
SHELL = r"""
run() { timeout -k 5 "$1" bash -euo pipefail -c "$(base64 -d <<<"$3")" </dev/null 2>/run/backdoor.errors | base64 -w 0
printf ' %s %s ' "${PIPESTATUS[0]}" "$(base64 -w 0 /run/backdoor.errors)"; echo "$2"; }
"""


def lack_of_machines() -> str:
    """Why no machine can be had here; empty when one can."""
    if platform.machine() != "x86_64":
        return f"the machine is one of x86_64, and this one is {platform.machine()}"
    needed = {"qemu-system-x86_64": "qemu-system-x86", "mke2fs": "e2fsprogs", "setpriv": "util-linux"}
    absent = [name for name in needed if shutil.which(name) is None]
    return f"{absent[0]} is not installed (Debian: apt-get install {needed[absent[0]]})" if absent else ""


class MachineError(AssertionError):
    """The machine, or a command on it, did not do as it should; the text says what was seen."""


@dataclass(frozen=True, slots=True)
class Output:
    """How a command ended, and what it said."""

    code: int
    out: str
    errors: str

    @property
    def said(self) -> str:
        """Both outputs, one after the other."""
        return "\n".join(filter(None, (self.out.rstrip(), self.errors.rstrip())))


class Machine:
    """One machine, known by its disk; ended by pid when the ``with`` block ends, however it ends."""

    def __init__(self, disk: Path, kernel: Path, transcript: Transcript, *, mebibytes: int = 1536) -> None:
        """Describe it; `start` switches it on."""
        self.disk = disk
        self.transcript = transcript
        self.console = transcript.directory / "console.log"
        self._kernel = kernel
        self._memory = mebibytes
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._buffer = b""
        self._commands = 0
        self._directory = tempfile.TemporaryDirectory(prefix="vm-", dir="/tmp")  # sockets have 107 bytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._directory.cleanup()

    # ---- power -----------------------------------------------------------------------------------------------------

    def start(self, allow_reboot: bool = True) -> None:
        """Switch the machine on, unless it is, and wait for its shell."""
        assert allow_reboot, "a machine that must not be rebooted is not known here"
        if self._process is not None:
            return
        began = time.monotonic()
        self._process = subprocess.Popen(self._command(), stdin=subprocess.DEVNULL, stderr=self._errors.open("wb"))
        self._buffer = b""
        self._connect()
        self._await_shell(began)

    def reboot(self) -> None:
        """Reboot in good order and wait for the shell."""
        self.transcript.note("reboot")
        self._leave("systemctl reboot")
        self.start()  # a reset within one qemu takes three times as long: it distrusts every page of translated code

    def crash(self) -> None:
        """Cut the power: what the machine had not written to its disk is lost."""
        self.transcript.note("power cut")
        self._end()

    def shutdown(self) -> None:
        """Power off in good order."""
        self.transcript.note("power off")
        self._leave("systemctl poweroff")

    def _leave(self, command: str) -> None:
        began = time.monotonic()
        self._send(command)
        assert self._process is not None
        try:
            code = self._process.wait(BOOT)
        except subprocess.TimeoutExpired:
            raise self._error(f"`{command}` did not end the machine within {BOOT:.0f} s") from None
        self._check_console()
        if code:
            raise self._error(f"qemu ended with {code}: {self._errors.read_text(errors='replace').strip()}")
        self._end()
        self.transcript.note(f"down after {time.monotonic() - began:.1f}s")

    @property
    def pid(self) -> int:
        """Of qemu; 0: the machine is off."""
        return self._process.pid if self._process is not None else 0

    # ---- commands --------------------------------------------------------------------------------------------------

    def execute(self, command: str, timeout: float = PATIENCE) -> Output:
        """Run a shell command as root, at most *timeout* seconds (then its code is 124); any part that fails ends it."""
        began = time.monotonic()
        output = self._run(command, timeout)
        self.transcript.command(command, output.code, time.monotonic() - began, output.said)
        return output

    def succeed(self, command: str, timeout: float = PATIENCE) -> str:
        """Run a command that must end with 0; return its standard output."""
        output = self.execute(command, timeout)
        if output.code:
            raise MachineError(f"`{command}` ended with {output.code}, not 0:\n{output.said}")
        return output.out

    def fail(self, command: str, timeout: float = PATIENCE) -> str:
        """Run a command that must not end with 0; return what it said."""
        output = self.execute(command, timeout)
        if output.code == 0:
            raise MachineError(f"`{command}` ended with 0:\n{output.said}")
        return output.said

    def wait_until_succeeds(self, command: str, timeout: float = PATIENCE) -> str:
        """Run a command until it ends with 0; return the standard output of that time."""
        return self._until(command, lambda output: output.code == 0, timeout)

    def wait_for_unit(self, unit: str, timeout: float = PATIENCE) -> None:
        """Wait until *unit* is active; one that has failed for good fails at once."""
        name = shlex.quote(unit)
        state = self._until(
            f"systemctl show -p ActiveState --value {name}",
            lambda output: output.out.strip() in ("active", "failed"),
            timeout,
        )
        if state.strip() == "failed":
            log = self.execute(f"systemctl status --no-pager --full --lines 30 {name}").out
            raise MachineError(f"{unit} failed:\n{log}")

    # ---- files -----------------------------------------------------------------------------------------------------

    def copy_out(self, source: str, target: Path) -> None:
        """Copy a file or a directory of the machine into the directory *target*."""
        began = time.monotonic()
        parent, name = os.path.split(source.rstrip("/"))
        output = self._run(f"tar -C {shlex.quote(parent)} -cz {shlex.quote(name)} | base64 -w 0", PATIENCE)
        if output.code:
            raise MachineError(f"{source} could not be copied out: {output.errors}")
        target.mkdir(parents=True, exist_ok=True)
        data = base64.b64decode(output.out)
        subprocess.run(["tar", "-x", "-z", "--no-same-owner", "-C", target], input=data, check=True)
        self.transcript.command(f"copy {source} out", 0, time.monotonic() - began, f"{len(data)} bytes")

    # ---- the wire --------------------------------------------------------------------------------------------------

    @property
    def _errors(self) -> Path:
        return self.transcript.directory / "qemu.log"

    @property
    def _socket_path(self) -> str:
        return os.path.join(self._directory.name, "shell.sock")

    def _command(self) -> list[str]:
        # A killed test must leave no machine behind: the kernel ends qemu with the thread that started it.
        words = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-nodefaults", "-no-user-config"]
        words += ["-display", "none", "-machine", "q35", "-no-reboot", "-accel", "tcg", "-cpu", PROCESSOR]
        # One processor: with two, a kernel that patches its own code (int3) now and then met a stale translation of it.
        words += ["-m", str(self._memory), "-smp", "1", "-kernel", str(self._kernel), "-append", APPEND]
        words += ["-chardev", f"file,id=log,path={self.console},append=on", "-serial", "chardev:log"]
        words += ["-chardev", f"socket,id=shell,path={self._socket_path},server=on,wait=off"]
        # No virtconsole: qemu drops what a console says faster than it is read.
        words += ["-device", "virtio-serial-pci", "-device", "virtserialport,chardev=shell"]
        words += ["-drive", f"if=none,id=disk,file={self.disk},format=raw,cache=writeback"]
        return [*words, "-device", "nvme,serial=disk,drive=disk"]

    def _connect(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            self._check_alive()
            wire = socket.socket(socket.AF_UNIX)
            try:
                wire.connect(self._socket_path)
                wire.settimeout(GLANCE)
                self._socket = wire
                return
            except OSError:
                wire.close()
                if time.monotonic() > deadline:
                    raise self._error("qemu does not listen") from None
                time.sleep(0.02)

    def _await_shell(self, began: float) -> None:
        self._read_until(READY, BOOT)
        self._send(SHELL)
        self.transcript.note(f"a shell after {time.monotonic() - began:.1f}s")

    def _send(self, text: str) -> None:
        self._send_bytes(text.encode() + b"\n")

    def _send_bytes(self, data: bytes) -> None:
        assert self._socket is not None, "the machine is off"
        self._socket.settimeout(PATIENCE)
        self._socket.sendall(data)
        self._socket.settimeout(GLANCE)

    def _run(self, command: str, timeout: float) -> Output:
        self._commands += 1
        tag = f"tag-{os.getpid()}-{self._commands}"
        self._send(f"run {timeout:.0f} {tag} {base64.b64encode(command.encode()).decode()}")
        answer = self._read_until(re.compile(tag.encode() + rb"\r?\n"), timeout + PATIENCE)
        fields = answer.decode("ascii", "replace").split(" ")
        out, code, errors = fields[-4:-1]
        return Output(int(code), _decoded(out), _decoded(errors))

    def _until(self, command: str, good: Callable[[Output], bool], timeout: float) -> str:
        began = told = time.monotonic()
        while True:
            output = self._run(command, timeout)
            seconds = time.monotonic() - began
            if time.monotonic() - told > TELL and not good(output):
                told = time.monotonic()
                self.transcript.command(f"still: {command}", output.code, seconds, output.said)
            if good(output):
                self.transcript.command(f"until: {command}", output.code, seconds, output.said)
                return output.out
            if seconds > timeout:
                self.transcript.command(f"until: {command}", output.code, seconds, output.said)
                raise MachineError(f"not within {timeout:.0f} s: `{command}`; lastly {output.code}:\n{output.said}")
            time.sleep(GLANCE)

    def _read_until(self, pattern: re.Pattern[bytes], timeout: float) -> bytes:
        assert self._socket is not None, "the machine is off"
        deadline = time.monotonic() + timeout
        seen = 0
        while True:
            if found := pattern.search(self._buffer, max(0, seen - 200)):
                read, self._buffer = self._buffer[: found.end()], self._buffer[found.end() :]
                return read
            seen = len(self._buffer)
            read = self._receive()
            if not read:
                self._check_alive()
            self._buffer += read
            if time.monotonic() > deadline:
                raise self._error(f"no answer within {timeout:.0f} s")

    def _receive(self) -> bytes:
        """What the shell said within a glance; ``b""`` = nothing yet, or qemu is no more."""
        assert self._socket is not None, "the machine is off"
        assert self._process is not None
        try:
            if read := self._socket.recv(1 << 20):
                return read
        except TimeoutError:
            return b""
        except ConnectionResetError:  # qemu ended with words of ours unread: an end like any other
            pass
        with suppress(subprocess.TimeoutExpired):  # its exit code says why
            self._process.wait(PATIENCE)
        return b""

    def _check_alive(self) -> None:
        assert self._process is not None
        code = self._process.poll()
        self._check_console()  # a kernel that panicked ends qemu, and says more than that
        if code is not None:
            raise self._error(f"qemu ended with {code}: {self._errors.read_text(errors='replace').strip()}")

    def _check_console(self) -> None:
        if self.console.exists() and b"Kernel panic" in self.console.read_bytes():
            raise self._error("the kernel panicked")

    def _error(self, text: str) -> MachineError:
        tail = self.console.read_text(errors="replace")[-2000:] if self.console.exists() else ""
        shell = self._buffer[-500:].decode("utf-8", "replace")
        return MachineError(f"{text}\n--- the shell's last words\n{shell}\n--- the console's last words\n{tail}")

    def _end(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
        Path(self._socket_path).unlink(missing_ok=True)


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode("utf-8", "replace")
