# A stand-in for a terminal interface with claude's hooks: reads its terminal as claude does, and runs what --settings names.
import json
import os
import signal
import subprocess
import sys
import termios
import time
import tty

words = sys.argv[1:]


def value(flag):
    return words[words.index(flag) + 1] if flag in words else ""


session = value("--session-id") or value("--resume")
home = os.environ["CLAUDE_CONFIG_DIR"]
kickoff = (
    words[-1] if words[-2:-1] and words[-2] in (session, "--resume", "--session-id") and words[-1] != session else ""
)
hooks = json.loads(value("--settings"))["hooks"]


def hook(event, **more):
    payload = {"session_id": session, "hook_event_name": event, "cwd": os.getcwd(), **more}
    command = hooks[event][0]["hooks"][0]["command"]
    return subprocess.run(command, shell=True, input=json.dumps(payload).encode(), stdout=subprocess.PIPE).stdout


def note(name, entry):
    with open(os.path.join(home, name), "a") as file:
        file.write(json.dumps(entry) + "\n")


def turn(prompt):
    note("received", prompt)
    hook("UserPromptSubmit", prompt=prompt)
    verb, _, rest = prompt.rpartition("] ")[2].partition(" ")
    said = rest
    if verb == "ask":
        tool = {"tool_name": "Bash", "tool_input": {"command": rest}}
        hook("PreToolUse", **tool, tool_use_id="t1")
        answer = hook("PermissionRequest", **tool)
        note("answers", json.loads(answer)["hookSpecificOutput"]["decision"] if answer else None)
        if answer and json.loads(answer)["hookSpecificOutput"]["decision"]["behavior"] == "allow":
            hook("PostToolUse", **tool, tool_use_id="t1", tool_response={"stdout": "done"})
    elif verb == "die":
        sys.exit(int(rest))
    elif verb == "stop":
        os.kill(os.getpid(), signal.SIGSTOP)
        said = "awake again"
    elif verb == "hang":
        print("hanging", flush=True)
        time.sleep(600)
    elif verb == "limit":
        hook("StopFailure", error="rate_limit", last_assistant_message=rest)
        return
    hook("Stop", last_assistant_message=said, stop_hook_active=False)


note("starts", {"pid": os.getpid(), "argv": words, "tty": os.isatty(0)})
if "--resume" in words and not os.path.exists(os.path.join(home, session)):
    hook("SessionEnd", reason="other")
    print(f"No conversation found with session ID: {session}", flush=True)
    sys.exit(1)
open(os.path.join(home, session), "w").close()
if os.isatty(0):
    tty.setraw(0, termios.TCSANOW)
    os.write(1, b"\x1b[?2004h")
hook("SessionStart", source="resume" if "--resume" in words else "startup", model="some-model")
if kickoff:
    turn(kickoff)
line = b""
while True:
    key = os.read(0, 1)
    if not key:
        break
    line += key
    if line.endswith(b"\r") and line.count(b"\x1b[200~") == line.count(b"\x1b[201~"):
        prompt = line.replace(b"\x1b[200~", b"").replace(b"\x1b[201~", b"").strip(b"\r").replace(b"\r", b"\n").decode()
        line = b""
        if prompt:
            turn(prompt)
