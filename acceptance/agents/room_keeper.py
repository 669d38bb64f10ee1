"""The first process of a room: runs commands and opens connections in the room for whoever asks over a unix socket.

    python room_keeper.py SOCKET [DIRECTORY...]

When its standard input ends, whoever opened the room is gone, however that came: then the room is emptied, and the
directories are removed.

One request a connection, as one JSON message: ``{"run": ARGV, "env": {...}, "cwd": DIR}`` with the three standard files
beside it, answered by ``{"pid": N}`` and, when that process has ended, ``{"code": N}``; or ``{"connect": PORT}``,
answered by ``{}`` with a connection to 127.0.0.1:PORT beside it.
"""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

LARGEST = 1 << 20


def keep(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    print("open", flush=True)
    threading.Thread(target=answer, args=(listener,), daemon=True).start()
    while os.read(0, 1024):
        pass


def answer(listener: socket.socket) -> None:
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


def serve(client: socket.socket) -> None:
    with client, contextlib.suppress(BrokenPipeError, ConnectionResetError):
        message, files, _, _ = socket.recv_fds(client, LARGEST, 3)
        if not message:
            return
        request = json.loads(message)
        try:
            if "connect" in request:
                connect(client, request["connect"])
            else:
                run(client, request, files)
        except OSError as error:
            client.send(json.dumps({"error": str(error)}).encode())
        finally:
            for file in files:
                with contextlib.suppress(OSError):
                    os.close(file)


def connect(client: socket.socket, port: int) -> None:
    with socket.create_connection(("127.0.0.1", port)) as connection:
        socket.send_fds(client, [b"{}"], [connection.fileno()])


def run(client: socket.socket, request: dict, files: list[int]) -> None:
    stdin, stdout, stderr = files
    process = subprocess.Popen(
        request["run"],
        env=request["env"],
        cwd=request["cwd"],
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    )
    for file in files:
        os.close(file)
    files.clear()
    client.send(json.dumps({"pid": process.pid}).encode())
    client.send(json.dumps({"code": process.wait()}).encode())


def empty() -> None:
    """End every other process of this network namespace; a second look catches what was just being started."""
    ours = os.readlink("/proc/self/ns/net")
    for _ in range(100):
        left = 0
        for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                if pid != os.getpid() and os.readlink(f"/proc/{pid}/ns/net") == ours:
                    os.kill(pid, signal.SIGKILL)
                    left += 1
        if not left:
            return
        time.sleep(0.02)


if __name__ == "__main__":
    keep(sys.argv[1])
    empty()
    for directory in sys.argv[2:]:
        shutil.rmtree(directory, ignore_errors=True)
    os._exit(0)  # threads that wait for what was killed are no reason to stay
