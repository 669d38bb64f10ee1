"""An agent's program for the benchmark of the runner: answers each message at once, with the time at which it did."""

import json
import os
import sys
import time

CONVERSATION = "22222222-2222-4333-8444-001795247420"


def put(**message: object) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


for line in sys.stdin:
    message = json.loads(line)
    if message["type"] == "control_request":
        put(type="control_response", response={"subtype": "success", "request_id": message["request_id"]})
        continue
    put(type="system", subtype="init", session_id=CONVERSATION, model="m", claude_code_version="2.1.329")
    put(type="result", subtype="success", is_error=False, session_id=CONVERSATION, result=f"{time.time_ns()}")
