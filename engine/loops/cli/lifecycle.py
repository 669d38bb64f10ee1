"""up, down, stop, watchdog: bringing a project's agents up and ending them."""

from __future__ import annotations

import argparse
import json
import os
import time
from typing import Any

from loops.cli.project import Project, of, overrides, say
from loops.errors import ConfigError, LoopsError, SessionError


def up(args: argparse.Namespace) -> int:
    """Start what is not running: all enabled agents, or the named ones."""
    from loops.supervisor.watching import compiled

    project = of(args)
    config = compiled(project.config_path)
    _known(args.names, list(config.agents))
    names = args.names or list(config.agents)
    once = overrides(names, dict(os.environ))
    for name in names if args.names else ():
        once.setdefault(name, {}).update({k: v for k in ("model", "backend") if (v := getattr(args, k))})
    answer = _up_running(project, args.names, once)
    if answer is None:
        answer = _up_fresh(project, args.names, once)
    if args.json:
        print(json.dumps(answer))
        return 0
    started = answer.get("started", [])
    for each in started:
        how = f" ({each['backend']})" if each["backend"] else ""
        print(f"starting {each['session']}{how}")
    if not started:
        print("already running")
    return 0


def _up_running(project: Project, names: list[str], once: dict[str, dict[str, str]]) -> dict[str, Any] | None:
    started: list[dict[str, str]] = []
    answer = None
    # One-shot overrides belong to single agents, so those are asked for one by one.
    for name, facts in once.items():
        if not facts or (names and name not in names):
            continue
        answer = project.ask("up", names=[name], **facts)
        if answer is None:
            return None
        started += answer["started"]
    answer = project.ask("up", names=names)
    if answer is None:
        return None
    return {"started": started + answer["started"]}


def _up_fresh(project: Project, names: list[str], once: dict[str, dict[str, str]]) -> dict[str, Any]:
    from loops.sessions.launch import ensure_holder
    from loops.supervisor.run import supervisor_command
    from loops.supervisor.watching import compiled

    config = compiled(project.config_path)
    say(f"starting watchdog ({project.config_path})")
    ensure_holder(
        project.runtime,
        supervisor=supervisor_command(project.config_path),
        env=dict(os.environ),
        log_path=os.path.join(config.log_dir, "holder.log"),
    )
    project.wait_for_supervisor()
    answer = _up_running(project, names, once)
    if answer is None:
        raise SessionError(f"the supervisor ended at once; its reasons are in {config.log_dir}/holder.log")
    return answer


def down(args: argparse.Namespace) -> int:
    """End agents: the named ones, or all of them and the supervisor too."""
    project = of(args)
    answer = project.ask("down", names=args.names)
    if answer is None:
        if args.names:
            raise SessionError("the project is down: nothing to stop")
        return _down_without_supervisor(project, args)
    if args.json:
        print(json.dumps({"ending": answer["ending"]}))
    else:
        for name in answer["ending"]:
            print(f"stopping {name}")
    _wait_down(project, args.names, args.timeout)
    return 0


def _wait_down(project: Project, names: list[str], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        answer = project.ask("status")
        if answer is None:
            if not names and os.path.exists(project.runtime.holder_socket):
                _quit_holder(project, deadline)
            return
        alive = [a["name"] for a in answer["agents"] if a["pid"] and a["name"] != "watchdog"]
        if names and not set(alive) & set(names):
            return
        time.sleep(0.02)
    raise SessionError(f"not everything ended within {timeout:.0f} s; `loops status` says what remains")


def _quit_holder(project: Project, deadline: float) -> None:
    """The holder ends by itself when the last supervisor left; wait for that."""
    while os.path.exists(project.runtime.holder_socket) and time.monotonic() < deadline:
        from loops.sessions.launch import holder_pid

        if holder_pid(project.runtime) is None:
            return
        time.sleep(0.01)


def _down_without_supervisor(project: Project, args: argparse.Namespace) -> int:
    from loops.sessions.launch import holder_pid

    if holder_pid(project.runtime) is None:
        print(json.dumps({"ending": []}) if args.json else "the project is down already")
        return 0
    # A holder without its supervisor: bring one up only to end everything in good order.
    _up_fresh(project, ["--none--"], {})
    return down(args)


def stop(args: argparse.Namespace) -> int:
    """The emergency stop: everything is killed now, and nothing starts until ``loops up``."""
    if not args.all_now:
        raise LoopsError("`loops stop` is the emergency stop and wants --all-now; the ordinary way is `loops down`")
    project = of(args)
    answer = project.ask("estop")
    if answer is None:
        raise SessionError("the project is down: nothing to stop")
    _wait_down(project, [], args.timeout)
    print(json.dumps({"stopped": answer["running"]}) if args.json else f"stopped {len(answer['running'])} sessions")
    return 0


def watchdog(args: argparse.Namespace) -> int:
    """Run the supervisor in the foreground, as a service manager does."""
    from loops.supervisor.run import Supervisor

    project = of(args)
    if args.takeover:
        _yield(project)
    return Supervisor(project.config_path, up=True, holder=not args.no_holder).run()


def _yield(project: Project) -> None:
    """Ask the supervisor that runs to leave; its agents stay with the holder."""
    if project.ask("leave") is None:
        return
    deadline = time.monotonic() + 10.0
    while project.ask("status") is not None:
        if time.monotonic() > deadline:
            raise SessionError("the supervisor that runs does not leave; end it by its pid (`loops doctor` names it)")
        time.sleep(0.01)


def _known(names: list[str], known: list[str]) -> None:
    for name in names:
        if name not in known:
            raise ConfigError(f"no agent is called {name!r}; agents.toml names: {', '.join(known)}")
