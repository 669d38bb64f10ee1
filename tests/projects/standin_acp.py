"""A stand-in for an agent that speaks ACP: does the task, or what its first word says instead."""

from __future__ import annotations

import json
import subprocess
import sys

COMMAND = "echo hello from loops > hello.txt && git add hello.txt && git commit --quiet --message 'Say hello'"


def say(**message: object) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


def main() -> None:
    how = sys.argv[1]
    if how == "--version":
        print("stand-in 1.2.3")
        return
    if how == "ends":
        print("no such option: --acp", file=sys.stderr)
        sys.exit(3)
    for line in sys.stdin:
        message = json.loads(line)
        method, name = message.get("method"), message.get("id")
        if method == "initialize":
            say(id=name, result={"protocolVersion": 1, "agentCapabilities": {}})
        elif method == "session/new":
            say(id=name, result={"sessionId": "ses-1"})
        elif method == "session/prompt" and how == "refuses":
            say(id=name, error={"code": -32000, "message": "Authentication required"})
        elif method == "session/prompt" and how != "hangs":
            if how == "works":
                subprocess.run(COMMAND, shell=True, check=True)
            text = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "It is done."}}
            say(method="session/update", params={"sessionId": "ses-1", "update": text})
            usage = {"inputTokens": 7, "outputTokens": 3, "totalTokens": 10}
            say(id=name, result={"stopReason": "end_turn", "usage": usage})


if __name__ == "__main__":
    main()
