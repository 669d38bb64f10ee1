"""The quick way of ``loops status``: ask the supervisor for its ready-made table over a raw socket.

Built-in modules only (a test looks at ``sys.modules``): the whole process takes about twice an empty Python.  Whatever is
out of the ordinary - another option, no supervisor - is left to the full command.
"""

from __future__ import annotations

import _socket
import os

TIMEOUT = 2.0


def status(words: list[str]) -> bool:
    """Print the table; False when the full command has to do it."""
    config = None
    if len(words) == 2 and words[0] == "--config":
        config = words[1]
    elif words:
        return False
    from loops.places import Runtime, find_config

    data = table(Runtime(find_config(config)).control_socket)
    if not data:
        return False
    try:
        while data:
            data = data[os.write(1, data) :]
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # `loops status | head`
    except OSError:
        return False  # the full command meets the same, and says it
    return True


def wants_colour() -> bool:
    """Whether standard output is a terminal whose user wants colours (https://no-color.org)."""
    return os.isatty(1) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def table(path: str) -> bytes:
    """The supervisor's table, coloured when standard output is a terminal; b"" when no supervisor answers."""
    sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    sock.settimeout(TIMEOUT)
    chunks = []
    try:
        sock.connect(path)
        sock.send(b"status colour\n" if wants_colour() else b"status plain\n")
        while chunk := sock.recv(1 << 18):
            chunks.append(chunk)
    except OSError:
        return b""
    finally:
        sock.close()
    return b"".join(chunks)
