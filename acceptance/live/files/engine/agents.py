#!/usr/bin/env python3
"""Run a project's agents from agents.toml: up, down, status, watchdog, logs, phase.  (Python 3.11, tmux.)"""

import argparse
import json
import os
import sys
import time
import tomllib
import uuid

import terminals

HERE = os.path.dirname(os.path.abspath(__file__))
RESUMED = "Your session was restarted and this conversation goes on. Look at your clone and the shared documents first."


class Project:
    """agents.toml, read again whenever somebody asks: there is no other truth."""

    def __init__(self, path):
        self.path, self.root = path, os.path.dirname(os.path.abspath(path))
        with open(path, "rb") as file:
            self.data = tomllib.load(file)
        self.defaults = self.data.get("defaults", {})
        for key in ("session_prefix", "log_dir"):
            if not self.defaults.get(key):
                raise SystemExit(f"{path}: [defaults] {key} is required")
        self.loop = self.data.get("loop", {})
        self.phases = self.loop.get("phases", [])
        self.log_dir = self.at(self.defaults["log_dir"])
        self.state = os.path.join(self.log_dir, "state")
        os.makedirs(self.state, exist_ok=True)

    def at(self, path):
        return os.path.normpath(os.path.join(self.root, path))

    def agents(self):
        return [{**self.defaults, "enabled": True, **agent} for agent in self.data.get("agent", [])]

    def services(self):
        return self.data.get("service", [])

    def session(self, entry):
        return entry.get("session") or self.defaults["session_prefix"] + entry["name"]

    @property
    def watchdog(self):
        return self.defaults["session_prefix"] + "watchdog"

    @property
    def index(self):
        return min(int(terminals.read(os.path.join(self.state, "phase-idx"), "0")), max(len(self.phases) - 1, 0))

    def set_index(self, index):
        terminals.write(os.path.join(self.state, "phase-idx"), f"{index}\n")

    @property
    def phase(self):
        return self.phases[self.index] if self.phases else {}

    @property
    def complete(self):
        return os.path.exists(os.path.join(self.state, "SEQUENCE-COMPLETE"))

    def backend(self, agent):
        name = os.environ.get(f"AGENT_BACKEND_{agent['name']}") or agent["backend"]
        return name, self.data["backend"][name]

    def model(self, agent):
        override = self.phase.get("models", {}).get(agent["name"]) if agent.get("kind") == "loop" else None
        return os.environ.get(f"AGENT_MODEL_{agent['name']}") or override or agent.get("model", "")

    def text(self, agent):
        if agent.get("kind") == "loop":
            with open(self.at(self.loop["kickoff_template"]), encoding="utf-8") as file:
                template = file.read()
            slots = {"phase_id": "id", "plan": "plan", "status": "status"}
            for slot, key in slots.items():
                template = template.replace("{" + slot + "}", self.phase[key])
            with open(os.path.join(self.at(self.loop["roles_dir"]), agent["role"] + ".md"), encoding="utf-8") as file:
                return template.replace("{role}", agent["role"]) + file.read()
        return terminals.read(self.at(agent["prompt_file"])) if agent.get("prompt_file") else ""

    def log(self, name):
        return os.path.join(self.log_dir, f"{name}.log")


def start_agent(project, agent, fresh=False):
    name, session = agent["name"], project.session(agent)
    backend_name, backend = project.backend(agent)
    flags = backend.get("flags", [])
    words = [backend["bin"], *(flags.split() if isinstance(flags, str) else flags)]
    if model := project.model(agent):
        words += ["--model", model]
    text = project.text(agent)
    if backend.get("preamble"):
        text = f"{backend['preamble']}\n\n{text}"
    id_file = os.path.join(project.state, f"{name}.id")
    if backend.get("supports_resume") and agent.get("resume"):
        known = "" if fresh else terminals.read(id_file)
        if known:
            words, text = [*words, "--resume", known], RESUMED
        else:
            new = str(uuid.uuid4())
            terminals.write(id_file, new + "\n")
            words += ["--session-id", new]
    print(f"starting {session} ({backend_name}, {model or 'its own model'})", flush=True)
    terminals.start(
        session,
        project.at(agent.get("dir", ".")),
        words,
        project.log(name),
        text,
        typed=backend.get("prompt_delivery", "arg") == "ping",
        submit=backend.get("submit_key", "Enter"),
        text_file=os.path.join(project.state, f"{name}.kickoff"),
    )


def start_service(project, service):
    session = project.session(service)
    print(f"starting {session} (service)", flush=True)
    words = ["sh", "-c", service["command"]] if isinstance(service["command"], str) else service["command"]
    terminals.start(session, project.at(service.get("dir", ".")), words, project.log(service["name"]))


def up(project, names):
    there = terminals.running()
    for agent in project.agents():
        wanted = agent["name"] in names if names else agent["enabled"] and agent.get("kind") != "task"
        if wanted and not (project.complete and agent.get("kind") == "loop") and project.session(agent) not in there:
            start_agent(project, agent)
    for service in project.services():
        wanted = service["name"] in names if names else service.get("enabled", True)
        if wanted and project.session(service) not in there:
            start_service(project, service)
    if project.watchdog not in there and (not names or "watchdog" in names):
        print("starting watchdog", flush=True)
        words = [sys.executable, os.path.abspath(__file__), "--config", os.path.abspath(project.path), "watchdog"]
        terminals.start(project.watchdog, project.root, words, project.log("watchdog"))


def down(project, names):
    entries = [{"name": "watchdog", "session": project.watchdog}, *project.agents(), *project.services()]
    for entry in entries:
        if (not names or entry["name"] in names) and terminals.stop(project.session(entry)):
            print(f"stopped {project.session(entry)}", flush=True)


def status(project):
    there = terminals.running()
    if project.phases:
        phase, word = project.phase, "complete" if project.complete else "in progress"
        print(f"phase: {phase['id']} [{project.index + 1}/{len(project.phases)}]  plan={phase['plan']}  ({word})")
    for agent in project.agents():
        state = "RUNNING" if project.session(agent) in there else "stopped"
        state += "" if agent["enabled"] else " (disabled)"
        kind = agent.get("kind", "loop")
        print(
            terminals.row(agent["name"], kind, project.backend(agent)[0], project.model(agent), agent["watch"], state)
        )
    for service in [*project.services(), {"name": "watchdog", "session": project.watchdog}]:
        state = "RUNNING" if project.session(service) in there else "stopped"
        print(terminals.row(service["name"], "service", "-", "-", "-", state))


def watchdog(path):
    while True:
        project = Project(path)
        look(project)
        time.sleep(terminals.tick(project.data.get("watchdog", {}).get("signal_interval", 30)))


def look(project):
    """One tick: advance, heal, keep the limit windows; every tick writes its own state anew."""
    if not project.complete and project.phases and phase_is_done(project):
        advance(project)
    project.set_index(project.index)
    there = terminals.running()
    healed = []
    for agent in project.agents():
        heals = agent["watch"] != "none" and agent["enabled"] and agent.get("kind") != "task"
        idle = project.complete and agent.get("kind") == "loop"
        if heals and not idle and project.session(agent) not in there and not limited(project, agent):
            start_agent(project, agent)
            healed.append(agent["name"])
    for service in project.services():
        if service.get("enabled", True) and project.session(service) not in there:
            start_service(project, service)
            healed.append(service["name"])
    now = time.strftime("%FT%TZ", time.gmtime())
    terminals.write(os.path.join(project.state, "watchdog-tick"), now + "\n")
    if healed:
        print(f"{now} healed {' '.join(healed)}", flush=True)


def limited(project, agent):
    """Whether a limit window stands for the agent; looking at it counts in its file."""
    path = os.path.join(project.state, f"limited-{project.session(agent)}.json")
    window = json.loads(terminals.read(path, "{}"))
    if not window:
        return False
    terminals.write(path, json.dumps({**window, "looks": window.get("looks", 0) + 1}) + "\n")
    return window["until"] > time.strftime("%FT%TZ", time.gmtime())


def phase_is_done(project):
    return terminals.phase_done(project.at(project.loop["handoff"]["repo"]), project.phase["status"])


def advance(project):
    """Go to the next phase with fresh loops, or finish: then the loops stop and the task of on_complete runs."""
    loops = [agent for agent in project.agents() if agent.get("kind") == "loop"]
    for agent in loops:
        terminals.stop(project.session(agent))
    if project.index + 1 < len(project.phases):
        project.set_index(project.index + 1)
        for agent in loops:
            start_agent(project, agent, fresh=True)
        return
    terminals.write(os.path.join(project.state, "SEQUENCE-COMPLETE"), project.phase["id"] + "\n")
    task = project.loop.get("on_complete", {}).get("run")
    for agent in project.agents():
        if agent["name"] == task:
            start_agent(project, agent)


def phase(project, words):
    if words[:1] == ["set"]:
        project.set_index(int(words[1]) - 1)
    elif words[:1] == ["next"]:
        project.set_index(project.index + 1)
    print(f"{project.phase['id']} [{project.index + 1}/{len(project.phases)}]")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", default=os.path.join(HERE, "agents.toml"))
    parser.add_argument("verb", choices=("up", "down", "status", "watchdog", "logs", "phase"))
    parser.add_argument("words", nargs="*")
    asked = parser.parse_args()
    if asked.verb == "watchdog":
        return watchdog(asked.config)
    project = Project(asked.config)
    if asked.verb == "logs":
        return os.execvp("tail", ["tail", "-n", "200", "-f", project.log(asked.words[0])])
    if asked.verb == "status":
        return status(project)
    return {"up": up, "down": down, "phase": phase}[asked.verb](project, asked.words)


if __name__ == "__main__":
    main()
