"""A stand-in for claude: speaks its control protocol, and does what the words of a message ask for.

Run as ``python standin_claude.py WORDS``.  A message is a list of commands parted by ``;``::

    say TEXT | tool COMMAND | ask COMMAND | fail TEXT | hang | die CODE TEXT | long BYTES | complain TEXT | leave

Its memory is ``$CLAUDE_CONFIG_DIR``: ``known`` holds the ids of its conversations, ``received`` every message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HOME = Path(os.environ["CLAUDE_CONFIG_DIR"])
WORDS = sys.argv[1:]


def put(**message: Any) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def word(option: str) -> str:
    return WORDS[WORDS.index(option) + 1] if option in WORDS else ""


def note(name: str, entry: Any) -> None:
    with (HOME / name).open("a") as file:
        file.write(json.dumps(entry) + "\n")


class Session:
    def __init__(self) -> None:
        HOME.mkdir(parents=True, exist_ok=True)
        self.id = word("--resume") or word("--session-id")
        self.calls = 0
        known = (HOME / "known").read_text().split() if (HOME / "known").exists() else []
        if word("--resume") and json.dumps(self.id) not in known:
            sys.stderr.write(f"No conversation found with session ID: {self.id}\n")
            self.result(
                "error_during_execution", error=True, errors=[f"No conversation found with session ID: {self.id}"]
            )
            sys.exit(1)
        note("known", self.id)
        note("starts", {"pid": os.getpid(), "words": WORDS, "env": dict(os.environ)})

    def result(self, subtype: str = "success", error: bool = False, **more: Any) -> None:
        usage = {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 90,
            "cache_creation_input_tokens": 0,
        }
        put(
            type="result", subtype=subtype, is_error=error, session_id=self.id, usage=usage, total_cost_usd=0.01,
            num_turns=1, permission_denials=[], stop_reason="end_turn", **more,
        )  # fmt: skip

    def assistant(self, *content: dict[str, Any]) -> None:
        self.calls += 1
        usage = {
            "input_tokens": 10,
            "output_tokens": 1,
            "cache_read_input_tokens": 90,
            "cache_creation_input_tokens": 0,
        }
        message = {
            "id": f"msg_{self.calls}",
            "type": "message",
            "role": "assistant",
            "model": "stand-in",
            "usage": usage,
        }
        put(
            type="assistant", message={**message, "content": list(content)}, session_id=self.id, parent_tool_use_id=None
        )

    def tool(self, command: str, ask: bool) -> bool:
        """Run a tool; False when the turn was interrupted."""
        id = f"toolu_{os.getpid()}_{self.calls}"
        self.assistant({"type": "tool_use", "id": id, "name": "Bash", "input": {"command": command}})
        if ask:
            request = f"r-{id}"
            asked = {"subtype": "can_use_tool", "tool_name": "Bash", "input": {"command": command}, "tool_use_id": id}
            put(type="control_request", request_id=request, request=asked)
            answer = self.wait_for(request)
            if answer is None:
                return False
            if answer["behavior"] != "allow":
                self.tool_result(id, answer["message"], error=True)
                return True
            assert answer["updatedInput"] == {"command": command}
        ran = subprocess.run(command, shell=True, capture_output=True, text=True)
        self.tool_result(id, ran.stdout + ran.stderr, error=ran.returncode != 0)
        return True

    def tool_result(self, id: str, text: str, error: bool) -> None:
        content = [{"type": "tool_result", "tool_use_id": id, "content": text, "is_error": error}]
        put(type="user", message={"role": "user", "content": content}, session_id=self.id, parent_tool_use_id=None)

    def wait_for(self, request: str) -> dict[str, Any] | None:
        for line in sys.stdin:
            message = json.loads(line)
            if message["type"] == "control_response" and message["response"]["request_id"] == request:
                return message["response"]["response"]
            if message["type"] == "control_request" and message["request"]["subtype"] == "interrupt":
                put(type="control_response", response={"subtype": "success", "request_id": message["request_id"]})
                return None
        sys.exit(0)

    def turn(self, text: str) -> None:
        note("received", text)
        put(
            type="system", subtype="init", session_id=self.id, model="stand-in", tools=[], mcp_servers=[],
            permissionMode=word("--permission-mode") or "bypassPermissions", claude_code_version="2.1.329", cwd=os.getcwd(),
        )  # fmt: skip
        for command in text.split(";"):
            verb, _, rest = command.strip().partition(" ")
            if not self.act(verb, rest.strip(), text):
                self.result(
                    "error_during_execution", error=True, errors=["interrupted"], terminal_reason="aborted_streaming"
                )
                return
        self.result()

    def act(self, verb: str, rest: str, text: str) -> bool:
        match verb:
            case "tool" | "ask":
                return self.tool(rest, ask=verb == "ask")
            case "hang":
                self.assistant({"type": "text", "text": "hanging"})
                return self.wait_for("never") is not None
            case "die":
                code, _, why = rest.partition(" ")
                sys.stderr.write(f"{why}\n")
                sys.stderr.flush()
                os._exit(int(code))
            case "leave":
                subprocess.Popen(["sleep", "1000"])  # keeps the pipes open
                os._exit(0)
            case "long":
                self.assistant({"type": "text", "text": "x" * int(rest)})
            case "complain":
                sys.stderr.write(f"{rest}\n")
                sys.stderr.flush()
            case "say":
                self.assistant({"type": "text", "text": json.loads(f'"{rest}"')})
            case _:
                self.assistant({"type": "text", "text": f"heard {text}"})
        return True


def main() -> None:
    session = Session()
    for line in sys.stdin:
        message = json.loads(line)
        match message:
            case {"type": "control_request", "request": {"subtype": "initialize"}}:
                put(
                    type="control_response",
                    response={"subtype": "success", "request_id": message["request_id"], "response": {}},
                )
            case {"type": "control_request"}:
                put(type="control_response", response={"subtype": "success", "request_id": message["request_id"]})
            case {"type": "user"}:
                session.turn(message["message"]["content"])


if __name__ == "__main__":
    main()
