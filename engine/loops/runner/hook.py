"""The hook that an agent's command line runs: hands its payload to the runner, and prints the runner's answer.

``python -I -S -E hook.py SOCKET`` with the payload on standard input.  It imports next to nothing, since the agent waits
for it at every tool call, and nothing that goes wrong here may break the agent: then it says nothing and exits 0, as if
there were no hook.
"""

import socket
import sys

CONNECT_WITHIN = 2.0
"""Seconds for the runner to take the connection."""
_ASKS = b'"PermissionRequest"'


def main() -> None:
    """Send; wait only where the payload may be a question (the runner closes at once where it is none)."""
    payload = sys.stdin.buffer.read()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as runner:
        runner.settimeout(CONNECT_WITHIN)
        runner.connect(sys.argv[1])
        runner.sendall(payload)
        runner.shutdown(socket.SHUT_WR)
        if _ASKS not in payload:
            return
        runner.settimeout(None)  # the agent's own limit for its hooks ends us
        answer = b""
        while part := runner.recv(65_536):
            answer += part
    sys.stdout.buffer.write(answer)
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        main()
    except (OSError, IndexError, KeyboardInterrupt):
        pass
