"""Sessions of one tmux server by their exact names; shared by agents.py and the launchers."""

import os
import shlex
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(HERE)
SOCKET = os.environ.get("TMUX_SOCKET") or os.path.join(TREE, "run", "tmux.sock")
PATIENCE = 30.0


def tmux(*words):
    """Run one tmux command on our own socket; return what it printed, or None when it failed."""
    done = subprocess.run(
        ["tmux", "-S", SOCKET, "-f", "/dev/null", *words], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else None


def running():
    """Return the pid of each session's first process, by the session's name."""
    listing = tmux("list-panes", "-a", "-F", "#{session_name}\t#{pane_pid}") or ""
    return {name: int(pid) for name, pid in (line.split("\t") for line in listing.splitlines())}


def start(session, directory, words, log, text="", typed=False, submit="Enter", text_file=""):
    """Start *words* in a new session; *text* is its last argument, or is typed when the program is up."""
    command = "exec " + shlex.join(words)
    if text:
        with open(text_file, "w", encoding="utf-8") as file:
            file.write(text)
        if not typed:  # tmux takes 16 kB of arguments and no more: the shell reads the text from its file
            command += f' "$(cat {shlex.quote(text_file)})"'
    if tmux("new-session", "-d", "-s", session, "-x", "200", "-y", "50", "-c", directory, command) is None:
        if session in running():  # the watchdog was faster
            return
        raise SystemExit(f"cannot start {session}: is there a directory {directory}?")
    tmux("pipe-pane", "-o", "-t", f"={session}:", f"exec cat >> {shlex.quote(log)}")
    if text and typed:
        tmux("load-buffer", "-b", session, text_file)
        tmux("paste-buffer", "-d", "-b", session, "-t", f"={session}:")
        tmux("send-keys", "-t", f"={session}:", submit)


def stop(session):
    """End a session and wait until its first process is gone; return whether there was one."""
    pid = running().get(session)
    if pid is None:
        return False
    tmux("kill-session", "-t", f"={session}")
    deadline = time.monotonic() + PATIENCE
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return True


def alive(pid):
    """Whether the process runs; a zombie does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def row(name, kind, backend, model, watch, state):
    """Return one line of the status table."""
    return f"{name:<14} {kind:<11} {backend:<9} {model:<20} {watch:<10} {state}"


def write(path, text):
    """Replace a small file at once: a reader sees the old text or the new one."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def read(path, default=""):
    """Return the text of a small file without its blanks; *default* when there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().strip() or default
    except OSError:
        return default


def tick(seconds):
    """Return how long a watchdog waits: *seconds*, unless the tests are in a hurry."""
    return float(os.environ.get("LIVE_TICK") or seconds)


def phase_done(repository, status):
    """Whether the status document has the done marker with a body that is more than a placeholder."""
    text = read(os.path.join(repository, "machine-docs", status)) or read(os.path.join(repository, status))
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("## DONE"):
            body = next((later.strip() for later in lines[number + 1 :] if later.strip()), "")
            return bool(body) and not body.lower().startswith(("not yet", "(none", "_none"))
    return False
