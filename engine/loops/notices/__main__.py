"""``python -m loops.notices``: send the notice on standard input (`loops.notices.order`), print what became of it."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from loops.notices.channel import channels, send_all
from loops.notices.order import Order, encode_outcomes

PATIENCE = 45.0
"""Seconds for all channels together; the supervisor waits a little longer."""


def main() -> int:
    """Do it.  Exit code 0 even where nothing was delivered: the answer says so."""
    order = Order.decode(sys.stdin.buffer.read())
    every = channels(order.notify, order.root, os.environ, order.config)
    ways = [way for way in every if way.name not in order.settled]
    outcomes = send_all(ways, order.message, PATIENCE)
    with suppress(BrokenPipeError):  # the supervisor has gone meanwhile: it asked for a delivery, and had it
        os.write(1, encode_outcomes(outcomes).encode())
    return 0


if __name__ == "__main__":
    code = 1
    try:
        code = main()
    except Exception as error:  # a traceback could show an address
        os.write(2, f"the notice could not be sent: {type(error).__name__}\n".encode())
    os._exit(code)  # not by the interpreter's end: a channel's thread may still hang
