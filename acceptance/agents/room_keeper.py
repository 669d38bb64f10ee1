"""The first process of a room: runs commands and opens connections in the room for whoever asks over a unix socket.

    python room_keeper.py SOCKET

One request a connection, as one JSON message: ``{"run": ARGV, "env": {...}, "cwd": DIR}`` with the three standard files
beside it, answered by ``{"pid": N}`` and, when that process has ended, ``{"code": N}``; or ``{"connect": PORT}``,
answered by ``{}`` with a connection to 127.0.0.1:PORT beside it.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading

LARGEST = 1 << 20


def keep(path: str) -> None:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(64)
    print("open", flush=True)
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


if __name__ == "__main__":
    keep(sys.argv[1])
