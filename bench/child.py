"""The same as child.c, for a machine without a C compiler (slower, for all contestants alike)."""

import os
import signal
import socket
import sys
import time

now = time.monotonic_ns()
asked = False


def ask(*_: object) -> None:
    global asked
    asked = True


def tell(what: int) -> None:
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    channel.sendto(f"{sys.argv[1]} {os.getpid()} {what}".encode(), os.environ["LOOPS_BENCH_SOCKET"])
    channel.close()


rate = float(sys.argv[2]) if len(sys.argv) > 2 else 0.0
if rate:
    signal.signal(signal.SIGUSR1, ask)
tell(now)
number = 0
if rate:
    time.sleep(os.getpid() % 997 / 997)
while rate and not asked:
    os.write(1, f"{sys.argv[1]} {number}\n".encode())
    number += 1
    time.sleep(1 / rate)
if rate:
    tell(number)
while True:
    signal.pause()
