"""Every verb: its words, its options, its example, and where its code is."""

from __future__ import annotations

import argparse

from loops.cli.verb import Verb, count, seconds
from loops.cli.words import cutover, fleet, fleet_running, gate, migrate, new, parity, untouched


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME", help="agent or service (default: all)")


def _validate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--no-files", action="store_true", help="not the files it names: agents.toml is all there is here"
    )


def _up(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    parser.add_argument("--model", default="", help="model for this start only (also AGENT_MODEL_<name>)")
    parser.add_argument("--backend", default="", help="backend for this start only (also AGENT_BACKEND_<name>)")


def _down(parser: argparse.ArgumentParser) -> None:
    _names(parser)
    _timeout(parser)


def _timeout(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout", type=seconds, default=60.0, metavar="SECONDS", help="how long to wait (default: 60)"
    )


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all-now", action="store_true", help="kill every session of the project at once")
    _timeout(parser)


def _watchdog(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--takeover", action="store_true", help="replace the supervisor that runs; no agent notices")
    parser.add_argument(
        "--no-holder", action="store_true", help="a service manager runs us, and `loops holder` beside us"
    )


def _status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--watch", action="store_true", help="show it again whenever it changes, until Ctrl-C")


def _logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", metavar="NAME", help="agent or service; `watchdog` is the supervisor's, `checks` the checks'"
    )
    parser.add_argument("-n", "--lines", type=count, default=50, metavar="COUNT", help="how many (default: 50)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on as it grows, until Ctrl-C")
    parser.add_argument("--raw", action="store_true", help="every byte as the agent printed it, escapes and all")


def _events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", default="", metavar="AGENT", help="default: list all recorded runs")
    parser.add_argument("--run", type=count, default=0, metavar="N", help="its number (default: the newest)")
    parser.add_argument("--raw", action="store_true", help="the lines of the agent's own protocol, in their order")
    parser.add_argument(
        "--again", action="store_true", help="normalize the recording again and compare: 1 if it differs"
    )


def _attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="agent or service; Ctrl-\\ twice leaves it")


def _nudge(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the agent")
    parser.add_argument("text", nargs="+", metavar="TEXT", help="the message; `-` reads standard input")


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="TASK", help="a task, or a persistent agent such as an assistant")
    parser.add_argument(
        "words",
        nargs="*",
        metavar="TEXT",
        help="what you ask this time; `-` reads standard input (default: its prompt)",
    )
    parser.add_argument("--fresh", action="store_true", help="end what goes on, and remember nothing of earlier runs")
    parser.add_argument("--wait", action="store_true", help="wait for the end: 0 when the task succeeded, else 1")
    parser.add_argument("--scheduled", action="store_true", help="for timers: only if the schedule may start it now")
    parser.add_argument("--model", default="", help="model for this run only (also AGENT_MODEL_<name>)")
    parser.add_argument("--backend", default="", help="backend for this run only (also AGENT_BACKEND_<name>)")


def _phase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", nargs="?", choices=("show", "set", "next"), default="show", help="default: show")
    parser.add_argument("target", nargs="?", default="", metavar="N|ID", help="for set: a number from 1, or an id")


def _claim(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("label", metavar="LABEL", help="the gate or item, such as M1")
    _phase_option(parser)
    for name, help_text in (
        ("what", "what is claimed"),
        ("how", "how to verify it cold, from a fresh clone"),
        ("expected", "what the verification must show"),
        ("where", "which files, commits or pages"),
    ):
        parser.add_argument(f"--{name}", required=True, metavar="TEXT", help=help_text)


def _verdict(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("items", nargs="*", metavar="ITEM=PASS|FAIL[:NOTE]", help="one verdict an item")
    _phase_option(parser)
    parser.add_argument("--finding", action="append", default=[], metavar="TEXT", help="file a finding in REVIEW")
    parser.add_argument("--veto", default="", metavar="REASON", help="raise a veto over done")
    parser.add_argument("--withdraw-veto", action="store_true", help="withdraw the veto that stands")


def _phase_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--phase", default="", metavar="ID", help="default: the phase that the agent was started for")


def _note(parser: argparse.ArgumentParser) -> None:
    for name, help_text in (
        ("left-off", "where you stopped"),
        ("state", "the phase, and how the loop stands"),
        ("open", "what waits for somebody (default: none)"),
        ("notes", "what your next self must know besides (default: none)"),
    ):
        parser.add_argument(f"--{name}", default="", metavar="TEXT", help=help_text)
    parser.add_argument("--event", default="", metavar="LABEL", help="instead: something that happened in this session")
    parser.add_argument("--text", default="", metavar="TEXT", help="more about the event")
    parser.add_argument("--file", default="", metavar="PATH", help="default: JOURNAL.md in the agent's directory")


def _approval(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="as `loops approvals` shows it, or its end (a2), or its agent alone")


def _deny(parser: argparse.ArgumentParser) -> None:
    _approval(parser)
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, told to the agent")


def _explain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "about", nargs="?", default="", metavar="AGENT|PHASE|SEQUENCE", help="or `notices`; default: everything"
    )


def _tokens(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--by",
        choices=("agent", "phase", "gate", "model"),
        default="",
        help="add up by this (default: agent and phase)",
    )


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", default="", metavar="DIR", help="a journal (default: the project's)")


def _config_show(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--origin", action="store_true", help="say where each value comes from")
    parser.add_argument("--phase", default="", metavar="ID", help="with the models of this phase")


def _init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", nargs="?", default=".", metavar="DIR", help="where (default: here)")
    parser.add_argument("--prefix", default="", help="session_prefix (default: the directory's name and a dash)")


def _demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--report", default="", metavar="PATH", help="where the HTML report goes")
    parser.add_argument("--keep", action="store_true", help="leave the project's directory in place and name it")
    parser.add_argument("--plain", action="store_true", help="lines instead of a live view")


def _agent_try(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("backend", metavar="BACKEND", help="claude, codex, opencode, pi, or one of agents.toml")
    parser.add_argument("--model", default="", help="default: that of agents.toml, else the agent's own")
    parser.add_argument("--mode", default="", choices=("headless", "tui"), help="default: that of the backend")
    parser.add_argument(
        "--timeout", type=seconds, default=180.0, metavar="SECONDS", help="for the whole task (default: 180)"
    )


def _mock_llm(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=count, default=0, metavar="N", help="default: any free one")
    parser.add_argument("--log", default="", metavar="FILE", help="append one JSON line a request; no keys, no texts")
    parser.add_argument("--scenario", default="", metavar="NAME", help="what a path plays whose name is no scenario")
    parser.add_argument("--scenario-help", action="store_true", help="list the scenarios")
    parser.add_argument(
        "--script",
        action="append",
        default=[],
        metavar="FILE|ROLE",
        help="rules of a scripted model (JSON), or a built-in one: builder, adversary; may be given several times",
    )
    parser.add_argument(
        "--command",
        default="echo hello-from-mock > hello.txt",
        metavar="SHELL",
        help="the command of each turn (default: write hello.txt)",
    )
    parser.add_argument("--text", default="MOCK-DONE", help="the last text of each turn (default: MOCK-DONE)")
    parser.add_argument(
        "--slow", type=seconds, default=2.0, metavar="SECONDS", help="before each answer of `slow` (default: 2)"
    )


def _service_place(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--name", default="", help="in the units' names (default: the session_prefix)")
    parser.add_argument(
        "--user", action="store_true", help="for your own service manager (systemctl --user) instead of the system's"
    )
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")


def _service(parser: argparse.ArgumentParser) -> None:
    _service_place(parser)
    parser.add_argument(
        "--run-as", default="", metavar="USER", help="whose agents they are (default: who owns agents.toml)"
    )
    parser.add_argument("--path", default="", help="PATH of the agents (default: the system's, and ~/.local/bin)")
    parser.add_argument(
        "--credential",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="hand FILE to the supervisor as the credential NAME; may be given several times",
    )
    parser.add_argument(
        "--writable",
        action="append",
        default=[],
        metavar="DIR",
        help="a directory that agents may write, such as a git remote; may be given several times (always writable: the "
        "project, the agents' directories, the user's home, /tmp)",
    )
    for name, what in (
        ("memory-high", "above this much memory the agents are slowed down"),
        ("memory-max", "above this much the largest of their processes is killed"),
        ("tasks-max", "processes and threads of all agents together"),
        ("cpu-weight", "their share of a busy machine; the supervisor has 100"),
    ):
        parser.add_argument(f"--{name}", default="", metavar="N", help=what)
    parser.add_argument(
        "--forget",
        action="store_true",
        help="start from nothing: else what was said at the last installation still holds where it is not said anew, and "
        "further --credential and --writable are added",
    )


def _service_install(parser: argparse.ArgumentParser) -> None:
    _service(parser)


def _service_prepare(parser: argparse.ArgumentParser) -> None:
    # --config, which every verb has, names here what its agents.toml shall be
    parser.add_argument("--root", required=True, metavar="DIR", help="the project's directory, made if missing")
    parser.add_argument(
        "--source", default="", metavar="URL", help="the project's own repository, or a plain directory"
    )
    parser.add_argument(
        "--revision", default="", metavar="REV", help="a commit, tag or branch of it (default: its HEAD)"
    )
    parser.add_argument(
        "--clone",
        action="append",
        default=[],
        metavar="DIR=URL",
        help="an agent's clone, made if missing and never touched again; may be given several times",
    )


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--agents", action="store_true", help="look at every known agent's command line, not at a project"
    )


def _completions(parser: argparse.ArgumentParser) -> None:
    install = 'for ~/.bashrc or ~/.zshrc: eval "$(loops completions SHELL)"; for fish: loops completions fish | source'
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), metavar="SHELL", help=f"bash, zsh or fish; {install}")


VERBS: tuple[Verb, ...] = (
    Verb("init", "write a first agents.toml", "loops init my-project", "configuration:init", _init),
    Verb("validate", "check agents.toml and the files it names", "loops validate", "configuration:validate", _validate),
    Verb("config show", "every effective value", "loops config show --origin", "configuration:show", _config_show),
    Verb("up", "start what is not running", "loops up builder --model claude-opus-4-8", "lifecycle:up", _up),
    Verb("down", "end agents, or the whole project", "loops down adversary", "lifecycle:down", _down),
    Verb("stop", "emergency stop: kill everything now", "loops stop --all-now", "lifecycle:stop", _stop),
    Verb(
        "run",
        "run a task once, or ask an assistant",
        "loops run upgrader --wait",
        "running:run",
        _run,
    ),
    Verb("status", "one table of everything; starts nothing", "loops status --watch", "show:status", _status),
    Verb("logs", "what a session printed", "loops logs builder -f", "sessions:logs", _logs),
    Verb(
        "events",
        "what an agent did, from its recorded protocol",
        "loops events builder --run 3",
        "events:events",
        _events,
    ),
    Verb("attach", "be in a session's terminal", "loops attach builder", "sessions:attach", _attach),
    Verb("nudge", "send an agent a message", "loops nudge builder 'read DECISIONS.md again'", "sessions:nudge", _nudge),
    Verb(
        "agent try",
        "have an agent do one small task in a scratch repository",
        "loops agent try opencode --model anthropic/claude-sonnet-4-5",
        "agent:attempt",
        _agent_try,
    ),
    Verb("approvals", "what waits for an approval", "loops approvals", "approving:approvals"),
    Verb("approve", "let an agent do what it asks for", "loops approve builder.3-a2", "approving:approve", _approval),
    Verb(
        "deny",
        "refuse an agent what it asks for",
        "loops deny builder.3-a2 --reason 'not outside the clone'",
        "approving:deny",
        _deny,
    ),
    Verb("notify test", "send a test notice by every channel", "loops notify test", "notifying:test"),
    Verb("phase", "show or move the phase", "loops phase set 2", "phases:phase", _phase),
    Verb(
        "claim",
        "claim a gate: write, commit and push it",
        "loops claim M1 --what 'median works' --how ./check.sh --expected 'exit 0' --where src/median.py",
        "protocol:claim",
        _claim,
    ),
    Verb(
        "verdict",
        "give verdicts: write, commit and push them",
        "loops verdict M1=PASS 'M2=FAIL:even counts are wrong'",
        "protocol:verdict",
        _verdict,
    ),
    Verb(
        "note",
        "an orchestrator's memory: print its newest session, or add one",
        "loops note --left-off 'M3 waits for its verdict' --state '2 of 5, both run'",
        "noting:note",
        _note,
    ),
    Verb("explain", "why something was done", "loops explain builder", "history:explain", _explain),
    Verb("boot", "the reboots of the machine, and what they cut off", "loops boot", "boot:boot"),
    Verb("journal verify", "check every byte of the journal", "loops journal verify", "history:verify", _verify),
    Verb("tokens", "what was used, and what it cost", "loops tokens --by gate", "history:tokens", _tokens),
    Verb("doctor", "find what is missing before it hurts", "loops doctor", "health:doctor", _doctor),
    Verb("selftest", "test the engine's own senses; needs no project", "loops selftest", "health:selftest"),
    Verb("demo", "the main job on a throwaway project", "loops demo", "demo:demo", _demo),
    Verb(
        "watchdog", "run the supervisor in the foreground", "loops watchdog --takeover", "lifecycle:watchdog", _watchdog
    ),
    Verb(
        "holder",
        "own the agents' sessions, in the foreground, for a service manager",
        "loops holder",
        "lifecycle:holder",
    ),
    Verb(
        "service install",
        "have systemd run the project, from every boot on",
        "loops service install --credential anthropic=/root/anthropic-key --memory-max 8G",
        "service:install",
        _service_install,
    ),
    Verb(
        "service uninstall",
        "end the project's service; what the agents made stays",
        "loops service uninstall --user",
        "service:uninstall",
        _service_place,
    ),
    Verb(
        "service print",
        "print the units that would be installed",
        "loops service print --user",
        "service:show",
        _service,
    ),
    Verb(
        "service prepare",
        "put a project in its place before its supervisor starts (ExecStartPre)",
        "loops service prepare --root /var/lib/loops/demo --config /etc/loops/demo.toml --source https://example.org/demo.git",
        "service:prepare",
        _service_prepare,
    ),
    *new.VERBS,
    *fleet.VERBS,
    *fleet_running.VERBS,
    *migrate.VERBS,
    *parity.VERBS,
    *untouched.VERBS,
    *cutover.VERBS,
    *gate.VERBS,
    Verb(
        "mock-llm",
        "a model provider without a model, for trials",
        "loops mock-llm --port 8099",
        "mock_llm:mock_llm",
        _mock_llm,
    ),
    Verb(
        "completions",
        "print completions for a shell",
        "loops completions bash",
        "completions:completions",
        _completions,
    ),
)
