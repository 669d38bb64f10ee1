"""Differences between a live deployment and its staged project, each with what parity must say of it.

What a difference must be called is the whole list of bad findings: one that is missing is a difference overlooked, one that is
too much is noise.
"""

from __future__ import annotations

from dataclasses import replace

from .live_plan import OPUS, PLAN, SONNET
from .planting import (
    LOOPS,
    Planted,
    added,
    at,
    both,
    bytes_of,
    different,
    dotfile,
    dropped,
    flipped,
    kickoffs,
    missing,
    models_without_override,
    phase,
    phases,
    role,
    script,
    setting,
    swapped,
    text,
)

_UNIT = "systemd/cc-ci-loops.service"
_NEW_LIMIT = r"(?i)usage limit"

STAGED = (
    # agents and services
    Planted("assistant missing", dropped("assistant"), missing("agent assistant: present")),
    Planted("orchestrator missing", dropped("orchestrator"), missing("agent orchestrator: present")),
    Planted("upgrader missing", dropped("upgrader"), missing("agent upgrader: present")),
    Planted("cleanlogs missing", dropped("cleanlogs"), missing("agent cleanlogs: present")),
    Planted("opencode-server missing", dropped("opencode-server"), missing("agent opencode-server: present")),
    Planted(
        "report missing",
        both(dropped("report"), at("loop", "on_complete")),
        {**missing("agent report: present"), **different("loop: on_complete")},
    ),
    Planted(
        "extra agent", added("agent", name="helper", kind="task", backend="claude"), different("agent helper: present")
    ),
    Planted("extra service", added("service", name="web", command="true"), different("agent web: present")),
    Planted("wrong backend of a task", setting("upgrader", backend="claude"), different("agent upgrader: backend")),
    Planted("wrong backend of a loop", setting("builder", backend="opencode"), different("agent builder: backend")),
    Planted(
        "wrong model of the orchestrator", setting("orchestrator", model=SONNET), different("agent orchestrator: model")
    ),
    Planted(
        "wrong usual model of a loop",
        setting("builder", model="claude-haiku-4-5"),
        {**different("agent builder: model"), **models_without_override("builder")},
    ),
    Planted("watch weakened", setting("adversary", watch="heal"), different("agent adversary: watch")),
    Planted("session renamed", setting("adversary", session="cc-ci-adversary"), different("agent adversary: session")),
    Planted("wrong directory", setting("builder", dir="/srv/elsewhere"), different("agent builder: dir")),
    Planted("a disabled agent enabled", setting("assistant", enabled=True), different("agent assistant: enabled")),
    Planted("an agent disabled", setting("orchestrator", enabled=False), different("agent orchestrator: enabled")),
    Planted("resume lost", setting("builder", resume=False), different("agent builder: resume")),
    Planted("kind changed", setting("assistant", kind="task"), different("agent assistant: kind")),
    Planted(
        "wake interval",
        lambda side: side.entry("orchestrator")["wake"].update({"interval": 7200}),
        different("agent orchestrator: wake interval"),
    ),
    Planted(
        "wake lost",
        setting("orchestrator", wake=None),
        missing("agent orchestrator: wake interval", "agent orchestrator: wake prompt sha256"),
    ),
    Planted("service command", setting("cleanlogs", command="exec true"), different("agent cleanlogs: command")),
    Planted("service directory", setting("cleanlogs", dir="/tmp"), different("agent cleanlogs: dir")),
    # the plan
    Planted(
        "wrong model in one phase",
        phase("mailu", models={"builder": SONNET}),
        different("phase mailu: model of builder"),
    ),
    Planted(
        "model where there was none", phase("4", models={"adversary": OPUS}), different("phase 4: model of adversary")
    ),
    Planted(
        "override of one agent lost", phase("2", models={"builder": OPUS}), different("phase 2: model of adversary")
    ),
    Planted("all overrides of a phase lost", phase("lvl5", models=None), different("phase lvl5: model of adversary")),
    Planted("two phases swapped", swapped(6, 7), different("phases: order")),
    Planted("the last phase first", phases(lambda found: [found[-1], *found[:-1]]), different("phases: order")),
    Planted(
        "phase missing", phases(lambda found: [p for p in found if p["id"] != "conc"]), missing("phase conc: present")
    ),
    Planted("last phase missing", phases(lambda found: found[:-1]), missing("phase poe2e: present")),
    Planted(
        "extra phase",
        phases(lambda found: [*found, {"id": "prevb", "plan": "plan.md"}]),
        different("phase prevb: present"),
    ),
    Planted(
        "phase renamed",
        phase("2w", id="2W"),
        {**missing("phase 2w: present"), **different("phase 2W: present")},
    ),
    Planted(
        "plan renamed",
        phase("shot", plan="plan-phase-shots.md"),
        {**different("phase shot: plan"), **kickoffs(*LOOPS, ids=("shot",))},
    ),
    Planted(
        "status file renamed",
        phase("1", status="STATUS-1.md"),
        {**different("phase 1: status"), **kickoffs(*LOOPS, ids=("1",))},
    ),
    # texts
    Planted("a bit of builder.md", bytes_of("builder", flipped), role("builder")),
    Planted("a bit of adversary.md", bytes_of("adversary", flipped), role("adversary")),
    Planted("CRLF", bytes_of("builder", lambda data: data.replace(b"\n", b"\r\n")), different("role builder: sha256")),
    Planted(
        "a newline at the end", bytes_of("adversary", lambda data: data + b"\n"), different("role adversary: sha256")
    ),
    Planted(
        "a bit of the orchestrator's", bytes_of("orchestrator", flipped), different("agent orchestrator: prompt sha256")
    ),
    Planted(
        "a bit of the upgrader's prompt", bytes_of("upgrader", flipped), different("agent upgrader: prompt sha256")
    ),
    Planted("a bit of the report's prompt", bytes_of("report", flipped), different("agent report: prompt sha256")),
    Planted(
        "a bit of the assistant's prompt", bytes_of("assistant", flipped), different("agent assistant: prompt sha256")
    ),
    Planted("a bit of the wake prompt", bytes_of("wake", flipped), different("agent orchestrator: wake prompt sha256")),
    Planted("kickoff line changed", text("kickoff", b"Read all of it now", b"Read it some day"), kickoffs(*LOOPS)),
    Planted("kickoff line lost", text("kickoff", b"=== standing role & rules ===\n", b""), kickoffs(*LOOPS)),
    Planted(
        "slot missing", text("kickoff", b"`{plan}`", b"`plan.md`"), kickoffs(*LOOPS, ids=tuple(p.id for p in PLAN[1:]))
    ),
    Planted("slot misspelt", text("kickoff", b"{phase_id}", b"{phase}"), kickoffs(*LOOPS)),
    # how work passes, and how it ends
    Planted("handoff repository", at("loop", "handoff", "repo", to="/srv/elsewhere"), different("handoff: repo")),
    Planted("handoff branch", at("loop", "handoff", "branch", to="trunk"), different("handoff: branch")),
    Planted("claim prefix", at("loop", "handoff", "claim", to="gate("), different("handoff: claim")),
    Planted("review prefix", at("loop", "handoff", "review", to="verdict("), different("handoff: review")),
    Planted("inbox", at("loop", "handoff", "inbox", to="docs"), different("handoff: inbox")),
    Planted("handoff target", at("loop", "handoff", "adversary", to=["assistant"]), different("handoff: adversary")),
    Planted(
        "target added",
        at("loop", "handoff", "adversary", to=[*LOOPS[1:], "assistant"]),
        different("handoff: adversary"),
    ),
    Planted("on_complete lost", at("loop", "on_complete"), different("loop: on_complete")),
    Planted("on_complete another", at("loop", "on_complete", "run", to="upgrader"), different("loop: on_complete")),
    Planted("done marker", at("loop", "done_marker", to="## FINISHED"), different("loop: done_marker")),
    # limits, intervals, programs
    Planted("stall_grace", at("watchdog", "stall_grace", to=60), different("times: stall_grace")),
    Planted("signal_interval", at("watchdog", "signal_interval", to=60), different("times: signal_interval")),
    Planted("limit_reset_slack", at("watchdog", "limit_reset_slack", to=0), different("times: limit_reset_slack")),
    Planted(
        "limit_probe_fallback", at("watchdog", "limit_probe_fallback", to=30), different("times: limit_probe_fallback")
    ),
    Planted(
        "stall_idle of claude", at("backend", "claude", "stall_idle", to=30), different("backend claude: stall_idle")
    ),
    Planted(
        "stall_idle of opencode",
        at("backend", "opencode", "stall_idle", to=300),
        different("backend opencode: stall_idle"),
    ),
    Planted("limit_re", at("backend", "claude", "limit_re", to=_NEW_LIMIT), different("backend claude: limit_re")),
    Planted("active_re", at("backend", "claude", "active_re", to="working"), different("backend claude: active_re")),
    Planted("fatal_re", at("backend", "claude", "fatal_re", to="x{3}"), different("backend claude: fatal_re")),
    Planted("flags", at("backend", "claude", "flags", to=["--verbose"]), different("backend claude: flags")),
    Planted(
        "submit key", at("backend", "opencode", "submit_key", to="Enter"), different("backend opencode: submit_key")
    ),
    Planted("program", at("backend", "claude", "bin", to="/opt/claude"), different("backend claude: bin")),
    Planted("preamble", at("backend", "opencode", "preamble", to=""), different("backend opencode: preamble")),
)

_LIVE = (
    Planted("agent of live only", added("agent", name="reviewer", kind="task"), missing("agent reviewer: present")),
    Planted(
        "live's model changed since", setting("orchestrator", model=SONNET), different("agent orchestrator: model")
    ),
    Planted("live's prompt changed since", bytes_of("upgrader", flipped), different("agent upgrader: prompt sha256")),
    Planted(
        "live's plan grew since",
        phases(lambda found: [*found, {"id": "prevb", "plan": "plan.md", "status": "STATUS-prevb.md"}]),
        missing("phase prevb: present"),
    ),
    Planted("live's order changed since", swapped(0, 1), different("phases: order")),
    Planted("live's kickoff changed since", text("kickoff", b"then work.", b"then rest."), kickoffs(*LOOPS)),
)
LIVE = tuple(replace(each, live=True) for each in _LIVE)
SEVERAL = Planted(
    "several at once",
    both(
        dropped("cleanlogs"), phase("2", models={"builder": OPUS}), at("watchdog", "stall_grace", to=60), swapped(3, 4)
    ),
    {
        **missing("agent cleanlogs: present"),
        **different("phase 2: model of adversary", "times: stall_grace", "phases: order"),
    },
)
PLANTED = (*STAGED, *LIVE, SEVERAL)

# ---- the launchers -----------------------------------------------------------------------------------------------------

UNTOLD = (
    *("handoff branch", "claim prefix", "review prefix", "inbox", "done marker", "limit_reset_slack"),
    *("limit_probe_fallback", "stall_idle of opencode", "submit key", "preamble"),
)
"""Of STAGED, what no constant of the launchers says: parity lists it as not compared."""
_ANOTHER_NAME = "upgrader missing", "report missing", "on_complete another", "a newline at the end"
"""Of STAGED, what is called otherwise here: another task is the one of on_complete, and a kickoff ends with the role's text."""
_ONE_FOR_ALL = "model where there was none", "override of one agent lost", "all overrides of a phase lost"
"""Of STAGED, what makes no difference here: ADV_MODEL is the Adversary's in every phase."""
_OTHERWISE = (*UNTOLD, *_ANOTHER_NAME, *_ONE_FOR_ALL)
_SPEC = ";".join(f"{p.id}|{p.plan}|{p.status}" for p in PLAN)
_PARTS = _SPEC.split(";")

_STAGED_OF_LAUNCHERS = (
    *(each for each in STAGED if each.name not in _OTHERWISE),
    Planted("report missing", dropped("report"), missing("agent report: present")),
    Planted(
        "upgrader missing",
        both(dropped("upgrader"), at("loop", "on_complete")),
        {**missing("agent upgrader: present"), **different("loop: on_complete")},
    ),
    Planted("on_complete another", at("loop", "on_complete", "run", to="report"), different("loop: on_complete")),
    Planted("a newline at the end", bytes_of("adversary", lambda data: data + b"\n"), role("adversary")),
    Planted(
        "the adversary's model",
        setting("adversary", model=SONNET),
        different("agent adversary: model", *(f"phase {p.id}: model of adversary" for p in PLAN)),
    ),
    Planted("model of one phase", phase("4", models={"adversary": SONNET}), different("phase 4: model of adversary")),
)
_LIVE_OF_LAUNCHERS = (
    Planted(".loop-model-<phase> gone", dotfile(".loop-model-mailu", None), different("phase mailu: model of builder")),
    Planted(".loop-model-<phase> new", dotfile(".loop-model-4", OPUS), different("phase 4: model of builder")),
    Planted(
        ".loop-model",
        dotfile(".loop-model", "claude-haiku-4-5"),
        {**different("agent builder: model"), **models_without_override("builder")},
    ),
    Planted(".orch-model", dotfile(".orch-model", SONNET), different("agent orchestrator: model")),
    Planted(
        ".phases-spec swapped",
        dotfile(".phases-spec", ";".join([_PARTS[1], _PARTS[0], *_PARTS[2:]])),
        different("phases: order"),
    ),
    Planted(".phases-spec shorter", dotfile(".phases-spec", ";".join(_PARTS[:-1])), different("phase poe2e: present")),
    Planted(
        ".phases-spec longer",
        dotfile(".phases-spec", f"{_SPEC};prevb|plan.md|STATUS-prevb.md"),
        missing("phase prevb: present"),
    ),
    Planted("the flag of on_complete", dotfile(".run-upgrade-on-complete", None), different("loop: on_complete")),
    Planted(
        "STALL_GRACE of the unit", script(_UNIT, "STALL_GRACE=240", "STALL_GRACE=60"), different("times: stall_grace")
    ),
    Planted(
        "a constant's default",
        script("launch.py", '"SIGNAL_INTERVAL", "30"', '"SIGNAL_INTERVAL", "20"'),
        different("times: signal_interval"),
    ),
    Planted(
        "a pattern of a script",
        script("launch.py", "|limit reached|", "|limit met|"),
        different("backend claude: limit_re"),
    ),
    Planted(
        "a session of a script",
        script("launch.py", '"cc-ci-adv"', '"cc-ci-adversary"'),
        different("agent adversary: session"),
    ),
    Planted("the kickoff of a script", script("launch.py", "then work.\n", "then rest.\n"), kickoffs(*LOOPS)),
    Planted(
        "a prompt in a script",
        script("launch-upgrader.py", "You never merge.", "You merge."),
        different("agent upgrader: prompt sha256"),
    ),
    Planted(
        "the startup prompt",
        script("launch-orchestrator.py", "not after.", "and after."),
        different("agent orchestrator: prompt sha256"),
    ),
    Planted(
        "a wake's interval in a script",
        script("launch-orchestrator.py", "= 3600", "= 7200"),
        different("agent orchestrator: wake interval"),
    ),
    Planted(
        "the wake's text",
        script("ai-progress-monitor-prompt.txt", "Hourly", "Daily"),
        different("agent orchestrator: wake prompt sha256"),
    ),
    Planted("a byte of builder.md", script("prompts/builder.md", "You build", "You built"), role("builder")),
)
OF_LAUNCHERS = (*_STAGED_OF_LAUNCHERS, *(replace(each, live=True) for each in _LIVE_OF_LAUNCHERS))
NO_DIFFERENCE = (
    ("a dotfile below the unit's word", dotfile(".loop-backend", "opencode")),
    ("a default below the dotfile", script("launch.py", '"claude-sonnet-4-5"', '"claude-opus-4-8"')),
    ("the script's old plan below .phases-spec", script("launch.py", "STATUS-1c.md", "STATUS-old.md")),
)
"""Changes of the launchers' side that change nothing of what runs: a stronger word stands above each."""
