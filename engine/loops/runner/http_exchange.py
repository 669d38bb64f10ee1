"""One HTTP request and its answer on a non-blocking socket to 127.0.0.1."""

from __future__ import annotations

import select
import socket

from loops.runner.http_wire import Answer

HOST = "127.0.0.1"
PIECE = 1 << 18
READS = 8
"""Reads of one socket before others have their turn."""


class Exchange:
    """From the connection to the answer's last byte.  Its socket is open until `close`."""

    def __init__(self, port: int, request: bytes, now: float) -> None:
        """Begin; *now* is ``time.monotonic()``.

        Raises:
            OSError: nobody listens there.
        """
        self.answer = Answer()
        self.began = self.heard = now
        """When it began, and when the last bytes came."""
        self._unsent = memoryview(request)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            self._socket.connect((HOST, port))
        except BlockingIOError:
            pass
        except OSError:
            self._socket.close()
            raise

    @property
    def descriptor(self) -> int:
        """The socket's."""
        return self._socket.fileno()

    @property
    def wanted(self) -> int:
        """The events to poll for."""
        return select.POLLIN | select.POLLOUT if self._unsent else select.POLLIN

    def serve(self, now: float) -> bytes:
        """Send and receive what is possible; return the part of the answer's body that came.

        Raises:
            OSError: the connection failed.
            BrokenAnswer: what came is no answer, or broke off.
        """
        if self._unsent:
            self._send()
        body: list[bytes] = []
        for _ in range(READS):
            try:
                data = self._socket.recv(PIECE)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:
                if body:
                    break  # what came before it first; it will be said again
                raise
            if not data:
                if not body:
                    self.answer.close()
                break
            self.heard = now
            body.append(self.answer.feed(data))
            if self.answer.done:
                break
        return b"".join(body)

    def close(self) -> None:
        """Give the socket back."""
        self._socket.close()

    def _send(self) -> None:
        try:
            self._unsent = self._unsent[self._socket.send(self._unsent) :]
        except (BlockingIOError, InterruptedError):
            pass
        except BrokenPipeError:  # the server has answered already, and does not want the rest
            self._unsent = self._unsent[:0]
