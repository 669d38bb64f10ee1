"""Every rule by which the supervisor acts, in words: the second half of what ``loops explain`` says.

A decision's event names its rule; the test of this module reads the deciding modules and fails on a name that is missing here.
"""

from __future__ import annotations

RULES: dict[str, str] = {
    "wanted": "an agent that is enabled and whose project is up runs",
    "operator": "the operator asked for it",
    "kickoff": "a backend that takes no argument gets its kickoff typed, as soon as it is ready",
    "not-wanted": "an agent that nobody wants any more is ended, with its whole process tree",
    "phase-changed": "a new phase starts its loop agents afresh, with the phase's kickoff and models",
    "heal": "an agent that is watched is started again when its process ends: at once the first time, then with backoff",
    "crash-loop": "too many quick ends in a row are a crash loop: the agent is parked, shown, and tried again once an hour",
    "clean-task": "a task runs once; its end is its result, and nothing starts it again by itself",
    "unwatched": 'an agent with watch = "none" is not started again by itself',
    "lost": "a session that vanished with its holder, or with a reboot, is resumed once, at once",
    "reboot": "a boot id that the journal does not know is a reboot: it is recorded, and every persistent agent is told, once",
    "resume-failed": "when a conversation cannot be resumed, one fresh start with the kickoff follows; never two in a row "
    "without a turn between",
    "foreign-conversation": "a conversation that the journal knows as another agent's is refused, and a fresh one begun",
    "fatal": "a conversation that the backend calls beyond repair is dropped, and a fresh one begun",
    "limit": "a usage limit opens a window until its reset plus slack, else for a flat probe interval: "
    "inside it nothing is healed, nudged or woken",
    "provider": "a provider that does not answer is left alone with growing pauses",
    "provider-silent": "after two turns in a row that hung without a word of the model the provider is blamed: the restart "
    "waits, with growing pauses",
    "blocked": "what only somebody outside can put right (a login, credit, a model) is shown with its remedy and probed slowly",
    "unblocked": "a turn that went through shows that nothing blocks any more",
    "reconfigured": "an edit of what a blocked agent is made of starts it with what agents.toml says now",
    "limit-probe": "when a window has passed, one probe asks the agent to go on and shows whether the limit is over",
    "limit-over": "a turn that went through shows that the window is over",
    "provider-back": "a request or a turn that went through shows that the provider answers again",
    "stray": "a session that the journal does not know is ended before anything is started in its place",
    "budget": "when a budget is used up, with what is in flight, everybody under it is stopped until it is raised or the "
    "operator says up",
    "budget-raised": "a budget that was raised, or a new phase's own, lets its agents go on",
    "claim": "a pushed claim wakes every reviewer, once",
    "open-claim": "a claim that was pushed before this phase was watched, and has no verdict yet, wakes every reviewer",
    "open-verdict": "a verdict that was pushed before this phase was watched, and is its last word, wakes the Builder",
    "verdict": "a pushed verdict wakes the Builder, once",
    "message": "a pushed review without PASS or FAIL is a message to the Builder, not a verdict",
    "inbox": "a pushed inbox file wakes its owner, once for each text",
    "done-refused": "done is computed, never believed: the marker alone ends no phase, and the reasons go to the Builder, once",
    "phase-done": "a phase is done when its marker stands, each item has its PASS or needs none, no veto, checks succeed",
    "phase-first": "a project begins with its first phase",
    "carried": "a project that was migrated goes on where it was, with the conversations that it had",
    "phase-next": "when a phase is done the next one begins",
    "phase-moved": "when the order of the phases in the file changes, the current phase stays the same",
    "phase-appended": "a phase that is appended after the end resumes the sequence",
    "stall": "an agent that is idle past its own WAITING-UNTIL plus grace, or with none for stall_idle seconds, gets one nudge",
    "stall-restart": "an agent that is idle again after that nudge, or takes up no nudge at all, is started again and resumes",
    "hang": "a turn without any output or event for hang_after seconds is ended, and the conversation resumed",
    "wake": "a wake is due every interval; a missed one is not made up for",
    "schedule": "a scheduled task is run when its time comes; a time that was missed is made up for, once; in a limit window "
    "it waits",
    "schedule-running": "a task that still runs when its time comes again is not started a second time",
    "unread": "what a task was told and did not read before it ended is the prompt of one more run",
    "nudge-stale": "a nudge whose reason has gone is dropped",
    "hold-told": "what only somebody outside can put right is told to the operator, and so is a usage limit, or a provider that "
    "is away, for longer than limit_after; once, and for all agents of a backend together",
    "notice": "the operator is told once of each event that [notify] names",
    "notices-merged": "the last notice that per_hour allows takes in all that wait",
    "notice-retry": "a notice that a channel did not take is sent there again, a few times and ever later",
    "notice-given-up": "a notice that no try got through is given up; loops status says so",
    "notice-unknown": "a notice of which nobody knows whether it arrived is never sent again",
}
