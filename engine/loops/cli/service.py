"""service print, install, uninstall, prepare: a project as a service of systemd."""

from __future__ import annotations

import argparse
import grp
import os
import pwd
import shlex
import shutil
import sys
from collections.abc import Sequence

from loops.boot import installed, service, units
from loops.boot import prepare as preparing
from loops.boot import said as saying
from loops.cli.answer import Answer
from loops.cli.project import Project, of
from loops.config.model import Config
from loops.errors import LoopsError, SessionError, UsageError
from loops.places import SERVICES

BOOTED = "/run/systemd/system"
"""Is there exactly when systemd runs the machine (sd_booted(3))."""
LINGERING = "/var/lib/systemd/linger"


def show(args: argparse.Namespace) -> Answer:
    """Print the units, each below a line with its place."""
    project = of(args)
    wanted = _service(args, project)
    texts = {name: units.text(unit) for name, unit in units.render(wanted, units.load()).items()}
    directory = _directory(args)
    lines = [line for name, text in texts.items() for line in (f"# {os.path.join(directory, name)}", text)]
    return Answer({"directory": directory, "units": texts}, lines)


def install(args: argparse.Namespace) -> Answer:
    """Write the units, enable and start them."""
    project = of(args)
    wanted = _service(args, project)
    plan = service.to_install(wanted, _directory(args), units.load())
    kept = saying.words(_said_before(args, project))
    facts = {"name": wanted.name, "unit": units.supervisor_unit(wanted.name), "kept": kept, "steps": plan.lines()}
    told = [*plan.lines(), *([f"said before, and still so where it is not said anew: {kept}"] if kept else [])]
    if args.dry_run:
        return Answer({**facts, "done": False}, told)
    _need_rights(args, "install")
    known = installed.find(project.config_path)
    if known is None:
        _refuse_running(project, wanted)
    else:
        _refuse_another(known, wanted)
    service.apply(plan)
    unit = installed.Installed(units.supervisor_unit(wanted.name), wanted.personal)
    return Answer({**facts, "done": True}, [*told, "", *_hints(wanted, unit), *_lost(known, wanted)])


def uninstall(args: argparse.Namespace) -> Answer:
    """Stop and disable the units, and remove them."""
    project = of(args)
    name = args.name or _name_of_installed(project, args.user) or _default_name(project.config())
    plan = service.to_uninstall(name, project.config_path, _directory(args), personal=args.user)
    facts = {"name": name, "steps": plan.lines()}
    if args.dry_run:
        return Answer({**facts, "done": False}, plan.lines())
    _need_rights(args, "uninstall")
    service.apply(plan)
    _clear_away(project)
    return Answer(
        {**facts, "done": True},
        [
            *plan.lines(),
            "",
            "the agents' conversations, the journal and all files stay; `loops up` goes on without a service",
        ],
    )


def prepare(args: argparse.Namespace) -> Answer:
    """Put the project in its place."""
    if not args.config and not args.source:
        raise UsageError("--config FILE must say what the project's agents.toml shall be, or a --source must have one")
    clones: dict[str, str] = {}
    for each in args.clone:
        place, found, url = each.partition("=")
        if not found or not place or not url:
            raise UsageError(f"--clone {each!r}: write DIR=URL, such as work/builder=https://example.org/project.git")
        clones[place] = url
    if args.revision and not args.source:
        raise UsageError("--revision is one of a --source, which is missing")
    said: list[str] = []
    wanted = preparing.Wanted(os.path.abspath(args.root), args.config or "", args.source, args.revision, clones)
    preparing.prepare(wanted, said.append)
    return Answer({"root": wanted.root, "changed": said}, said or [f"{wanted.root} is as it shall be"])


# ---- what is wanted ----------------------------------------------------------------------------------------------------


def _service(args: argparse.Namespace, project: Project) -> units.Service:
    config = project.config()  # one that is not valid is no service
    source = units.load()
    defaults = source.defaults
    said = saying.merged(_said_before(args, project), _said_now(args))
    once = {option: values[-1] for option, values in said.items()}
    who = _user(args.user, once.get("run-as", ""), project.config_path)
    return units.Service(
        name=args.name or _name_of_installed(project, args.user) or _default_name(config),
        command=_command(),
        config=project.config_path,
        user=who.pw_name,
        group=grp.getgrgid(who.pw_gid).gr_name,
        home=who.pw_dir,
        limits=units.Limits(
            once.get("memory-high", defaults.memory_high),
            once.get("memory-max", defaults.memory_max),
            once.get("tasks-max", defaults.tasks_max),
            once.get("cpu-weight", defaults.cpu_weight),
        ),
        personal=args.user,
        search_path=once.get("path") or _search_path(who.pw_dir),
        credentials=tuple(each.replace("=", ":", 1) for each in said.get("credential", ())),
        writable=_writable(said.get("writable", ()), config, who.pw_dir),
        schedules=_schedules(config),
        said=saying.lines(said),
    )


def _said_now(args: argparse.Namespace) -> saying.Said:
    given = vars(args)
    once = {option: (given[option.replace("-", "_")],) for option in saying.ONCE if given[option.replace("-", "_")]}
    return {
        **once,
        "credential": tuple(map(_credential, args.credential)),
        "writable": tuple(map(os.path.abspath, args.writable)),
    }


def _said_before(args: argparse.Namespace, project: Project) -> saying.Said:
    known = None if args.forget else installed.find(project.config_path)
    return saying.read(known.said) if known is not None and known.personal == args.user else {}


def _schedules(config: Config) -> tuple[units.Schedule, ...]:
    """The tasks that have a calendar; of a disabled one the timer stays, and the supervisor declines."""
    return tuple(units.Schedule(agent.name, agent.schedule) for agent in config.agents.values() if agent.schedule)


def _writable(given: Sequence[str], config: Config, home: str) -> tuple[str, ...]:
    """What lies outside of the project and of the home, and is written all the same."""
    inside = [os.path.dirname(config.path) + os.sep, home.rstrip("/") + os.sep]
    needed = [config.log_dir, *(agent.dir for agent in config.agents.values())]
    outside = [each for each in needed if not any(f"{each}{os.sep}".startswith(place) for place in inside)]
    return tuple(f"-{each}" for each in dict.fromkeys([*given, *outside]))  # each may be missing


def _default_name(config: Config) -> str:
    return config.session_prefix.strip("-_").lower().replace("_", "-")


def _name_of_installed(project: Project, personal: bool) -> str:
    found = installed.find(project.config_path)
    if found is None or found.personal != personal:
        return ""
    return _project_name(found)


def _project_name(unit: installed.Installed) -> str:
    return unit.name.removeprefix("loops-").removesuffix(".service")


def _user(personal: bool, run_as: str, config_path: str) -> pwd.struct_passwd:
    try:
        if personal:
            if run_as:
                raise UsageError("--run-as is for the system's service manager; --user means yourself")
            return pwd.getpwuid(os.getuid())
        return pwd.getpwnam(run_as) if run_as else pwd.getpwuid(os.stat(config_path).st_uid)
    except KeyError as error:
        raise UsageError(
            f"there is no user {run_as or 'to whom agents.toml belongs'}: name one with --run-as"
        ) from error


def _command() -> str:
    """The words that run this very engine."""
    script = os.path.abspath(sys.argv[0])
    if os.path.basename(script) == "loops" and os.access(script, os.X_OK):
        return script
    found = os.path.join(os.path.dirname(sys.executable), "loops")
    return found if os.access(found, os.X_OK) else f"{sys.executable} -m loops"


def _search_path(home: str) -> str:
    beside = os.path.dirname(os.path.abspath(sys.executable))
    usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return ":".join(dict.fromkeys([os.path.join(home, ".local/bin"), *usual, beside]))


def _credential(word: str) -> str:
    name, found, path = word.partition("=")
    if not found or not name or "/" in name or ":" in name:
        raise UsageError(f"--credential {word!r}: write NAME=FILE, such as anthropic=/root/anthropic-key")
    return f"{name}={os.path.abspath(path)}"


# ---- what is in the way ------------------------------------------------------------------------------------------------


def _directory(args: argparse.Namespace) -> str:
    return installed.personal_directory() if args.user else installed.SYSTEM


def _need_rights(args: argparse.Namespace, verb: str) -> None:
    """Raise SessionError where no service manager is, or where it does not listen to us."""
    again = f"loops service {verb}"
    if shutil.which("systemctl") is None or not os.path.isdir(BOOTED):
        raise SessionError(
            "systemd does not run this machine, so that there is nothing to install into; `loops service print` shows the "
            "units, and `loops up` needs no service"
        )
    if args.user:
        said = installed.call([*installed.systemctl(personal=True), "show-environment"])
        if said:
            raise SessionError(
                f"your own service manager does not answer ({said}): log in as yourself (not through su or sudo), or have "
                f"it run without a login (sudo loginctl enable-linger {pwd.getpwuid(os.getuid()).pw_name})"
            )
    elif os.getuid() != 0:
        raise SessionError(
            f"only root may change the system's services: type `sudo {shlex.join(_again())}`, or add --user to `{again}`"
        )


def _again() -> list[str]:
    return [_command().split()[0], *sys.argv[1:]] if _command().endswith("/loops") else ["loops", *sys.argv[1:]]


def _refuse_running(project: Project, wanted: units.Service) -> None:
    """A supervisor that was started by hand has the journal, and its holder the agents."""
    from loops.places import State
    from loops.supervisor import processes

    pid = processes.lock_owner(os.path.join(State(project.config().log_dir).journal, "lock"))
    if pid:
        raise LoopsError(
            f"the project of {wanted.config} runs already, started by hand (supervisor {pid}): `loops down`, then install; "
            "its agents' conversations go on"
        )


def _refuse_another(known: installed.Installed, wanted: units.Service) -> None:
    """Two services of one project would fight for its journal, each started again for ever."""
    if (known.name, known.personal) == (units.supervisor_unit(wanted.name), wanted.personal):
        return
    words = f"{' --user' if known.personal else ''} --name {_project_name(known)}"
    raise LoopsError(
        f"the project of {wanted.config} is a service already (`{known.words('status')}`): first `loops service "
        f"uninstall{words}`, or change that one with `loops service install{words}`"
    )


def _lost(known: installed.Installed | None, wanted: units.Service) -> list[str]:
    """What the supervisor had and has no more: without it an agent may not start, days later."""
    now = {each.partition(":")[0] for each in wanted.credentials}
    return [
        f"! the supervisor no longer gets the credential {name}: to keep it, install again with --credential {name}=FILE"
        for name in (known.credentials if known is not None else ())
        if name not in now
    ]


def _clear_away(project: Project) -> None:
    """What outlives the units, so that operators stay attached while they are restarted: the tmux server, the sockets."""
    from loops.sessions.view import View
    from loops.supervisor import control, processes

    runtime = project.runtime
    View(runtime.tmux_socket, ()).close()
    if not processes.holder(runtime) and not control.listener(runtime.control_socket):
        shutil.rmtree(runtime.root, ignore_errors=True)


def _hints(wanted: units.Service, unit: installed.Installed) -> list[str]:
    told = {
        unit.words("status"): "is it well",
        f"{unit.journal} -f": "what it says",
        "loops status, attach, down, up": "as ever; a project that is put down stays down, after a reboot too",
    }
    width = max(map(len, told))
    lines = [f"{words:<{width}}  {what}" for words, what in told.items()]
    if wanted.personal and not os.path.exists(os.path.join(LINGERING, wanted.user)):
        lines.append(f"it runs while you are logged in; from boot on with: sudo loginctl enable-linger {wanted.user}")
    if not wanted.personal:
        lines.append(
            f"its sockets are in {SERVICES}; other users reach it with: sudo -u {wanted.user} loops --config {wanted.config} ..."
        )
    return lines
