"""HTTP/1.1 answers and server-sent events, read from bytes as they come: pure, and only what a local server needs.

The standard library's client would cost the runner a third of its start-up time (it loads the e-mail package).
"""

from __future__ import annotations

from loops.errors import LoopsError

HEAD_LIMIT = 65_536
"""Bytes of status line and headers, or of one chunk's size line; more is no answer of a server that we know."""


class BrokenAnswer(LoopsError):
    """What came is no HTTP/1.1 answer, or ended in its middle."""


def question(method: str, path: str, host: str, authorization: str, body: bytes | None) -> bytes:
    """Return one request; the connection closes after its answer."""
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {host}",
        f"Authorization: {authorization}",
        "Accept: text/event-stream, application/json",
        "Connection: close",
    ]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + (body or b"")


class Answer:
    """One answer, fed in pieces of any size."""

    def __init__(self) -> None:
        """Await the status line."""
        self.status = 0
        """0 until the headers are there."""
        self.done = False
        """Whether the body is complete."""
        self._rest = b""
        self._chunked = False
        self._left: int | None = None
        """Bytes of the body, or of the chunk, that are still to come; None: until the connection closes."""
        self._in_chunk = False
        self._trailer = False

    def feed(self, data: bytes) -> bytes:
        """Return the part of the body that *data* completes.

        Raises:
            BrokenAnswer: this is not HTTP.
        """
        if self.done:
            return b""
        self._rest += data
        if not self.status and not self._head():
            return b""
        if self._chunked:
            return self._chunks()
        body, self._rest = self._rest, b""
        if self._left is not None:
            body = body[: self._left]
            self._left -= len(body)
            self.done = self._left == 0
        return body

    def close(self) -> None:
        """The connection is closed.

        Raises:
            BrokenAnswer: before the answer was complete.
        """
        if not self.done and (not self.status or self._chunked or self._left):
            raise BrokenAnswer("the server closed the connection in the middle of an answer")
        self.done = True

    def _head(self) -> bool:
        end = self._rest.find(b"\r\n\r\n")
        if end < 0:
            if len(self._rest) > HEAD_LIMIT:
                raise BrokenAnswer("the answer's headers have no end")
            return False
        first, *lines = self._rest[:end].split(b"\r\n")
        self._rest = self._rest[end + 4 :]
        words = first.split(None, 2)
        if len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not (words[1].isdigit() and len(words[1]) == 3):
            raise BrokenAnswer(f"no HTTP/1.1 answer: {first[:80]!r}")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        status = int(words[1])
        if status < 200:  # 100 Continue and its like come before the answer
            return self._head()
        self.status = status
        self._chunked = headers.get(b"transfer-encoding", b"").lower().endswith(b"chunked")
        length = headers.get(b"content-length", b"")
        if status in (204, 304):
            self._chunked, self._left = False, 0
        elif not self._chunked and length:
            self._left = _size(length, 10)
        self.done = self._left == 0
        return True

    def _chunks(self) -> bytes:
        body = []
        while not self.done:
            if self._in_chunk:
                assert self._left is not None
                piece = self._rest[: self._left]
                self._rest = self._rest[len(piece) :]
                self._left -= len(piece)
                body.append(piece)
                if self._left or not self._rest.startswith(b"\r\n"):
                    if not self._left and len(self._rest) >= 2:
                        raise BrokenAnswer("a chunk is longer than it said")
                    break
                self._rest = self._rest[2:]
                self._in_chunk = False
            end = self._rest.find(b"\r\n")
            if end < 0:
                if len(self._rest) > HEAD_LIMIT:
                    raise BrokenAnswer("a chunk says no size")
                break
            line, self._rest = self._rest[:end], self._rest[end + 2 :]
            if self._trailer:
                self.done = not line
            else:
                self._left = _size(line.partition(b";")[0].strip(), 16)
                self._in_chunk, self._trailer = self._left > 0, self._left == 0
        return b"".join(body)


def _size(word: bytes, base: int) -> int:
    digits = b"0123456789abcdef"[:base]
    if not word or len(word) > 15 or any(byte not in digits for byte in word.lower()):
        raise BrokenAnswer(f"no size: {word[:40]!r}")
    return int(word, base)


class Events:
    """The payloads of a stream of server-sent events, fed in pieces of any size."""

    def __init__(self) -> None:
        """Await the first event."""
        self._pieces: list[bytes] = []
        self._payload: list[bytes] = []

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that *data* completes, each without a line break.

        A payload of several lines is joined with spaces: between JSON's words the two mean the same.
        """
        if b"\n" not in data:  # a long line is put together once, not once a piece
            self._pieces.append(data)
            return []
        *lines, rest = b"".join([*self._pieces, data]).split(b"\n")
        self._pieces = [rest] if rest else []
        payloads = []
        for line in lines:
            line = line.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._payload.append(line[5:].removeprefix(b" "))
            elif not line and self._payload:
                payloads.append(b" ".join(self._payload))
                self._payload = []
        return payloads
