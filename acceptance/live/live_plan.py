"""The plan of the live deployment: nineteen phases, each with its document, its models, and the text of its plan."""

from __future__ import annotations

from dataclasses import dataclass, field

SONNET, OPUS = "claude-sonnet-4-6", "claude-opus-4-8"


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """One phase.  ``models``: by agent, where they are not the usual ones."""

    id: str
    plan: str
    title: str
    goal: str
    items: tuple[str, ...]
    models: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> str:
        return "STATUS.md" if self.id == "1" else f"STATUS-{self.id}.md"

    @property
    def text(self) -> str:
        """The plan's document."""
        items = "\n".join(f"- **{self.id.upper()}-{n}** {item}" for n, item in enumerate(self.items, 1))
        return f"# {self.title}\n\n{self.goal}\n\n## Items\n\n{items}\n\n{STANDING}"


STANDING = """\
## Gates

M1: everything above is built, and its own tests are green in a fresh clone. M2: the same has been shown on the server, with
a recipe that nobody prepared for it. Each gate is claimed by itself; M2 is not claimed while a finding against M1 is open.

## Not in this phase

No change to what earlier phases have proved, unless an item says so. No new dependency without a line in DECISIONS.md that
names what was tried instead. Nothing that needs a person at night.

## Before you say done

The server is rebuilt from the repository once, from nothing, and all recipes that are enrolled are run. Their results go
into STATUS as the harness printed them.
"""

_BUILDER, _ADVERSARY, _BOTH = {"builder": OPUS}, {"adversary": OPUS}, {"builder": OPUS, "adversary": OPUS}

PLAN = (
    PlannedPhase(
        "1",
        "plan.md",
        "The server and its first recipe",
        "A comment on a change request starts a run that installs the recipe on a clean host and says what came of it.",
        ("trigger by comment, members only", "install, upgrade, backup and restore", "logs without secrets"),
    ),
    PlannedPhase(
        "1b",
        "plan-phase1b-review-lint.md",
        "Read it again",
        "What was written in a hurry is read by somebody who was not there, and made boring.",
        ("one formatter, one linter, no exceptions by line", "no module above four hundred lines"),
    ),
    PlannedPhase(
        "1c",
        "plan-phase1c-full-reproducibility.md",
        "From nothing to a server",
        "Everything on the host comes out of the repository; a second host made from it is the same host.",
        ("one command builds the machine", "secrets arrive after the build", "a rebuilt host passes phase 1"),
        _BUILDER,
    ),
    PlannedPhase(
        "1d",
        "plan-phase1d-generic-test-suite.md",
        "One suite for every recipe",
        "A recipe without tests of its own still gets the ones that make sense for all of them.",
        ("generic stages by declaration", "a recipe's own tests are added, never swapped in"),
    ),
    PlannedPhase(
        "1e",
        "plan-phase1e-harness-corrections.md",
        "Four corrections",
        "Four things in the harness answer a different question than the one that was asked.",
        ("the version under test is the one of the branch", "a timeout is no pass", "a retry is shown", "one clock"),
    ),
    PlannedPhase(
        "2",
        "plan-phase2-recipe-tests.md",
        "Tests that know the recipe",
        "Six recipes get tests that use them as a person would.",
        ("a login through the browser", "data survives the upgrade", "a restored backup is read back"),
        _BOTH,
    ),
    PlannedPhase(
        "2b",
        "plan-phase2b-test-performance.md",
        "Half the time",
        "A full run takes an hour, and nobody waits for an hour.",
        ("where the time goes, measured", "images are pulled once", "what is independent runs side by side"),
    ),
    PlannedPhase(
        "2w",
        "plan-phase2w-warm-canonical-quick.md",
        "The quick lane",
        "For the canonical recipes a warm host answers within five minutes, and never says more than it knows.",
        ("a warm host is cleaned, and that is proved", "quick results are marked as such"),
        _BUILDER,
    ),
    PlannedPhase(
        "3",
        "plan-phase3-results-ux.md",
        "A result that can be read",
        "Who opens the change request sees in one look what passed and where to look when it did not.",
        ("one comment, replaced in place", "a level with its definition", "the page works without scripts"),
    ),
    PlannedPhase(
        "4",
        "plan-phase4-final-review.md",
        "Review of the whole",
        "Both go through everything once more, each with the list of what the other one found.",
        ("every open finding closed or deferred with its event", "the documentation was followed, not read"),
    ),
    PlannedPhase(
        "5",
        "plan-phase5-verify-upgrade-flow.md",
        "The upgrade, end to end",
        "A weekly upgrade is followed from the timer to the change request that waits for a person.",
        ("a broken upgrade is reported as broken", "nothing is merged", "a second run changes nothing"),
    ),
    PlannedPhase(
        "mirror",
        "plan-phase-mirror-recipes.md",
        "Mirrors",
        "Recipes whose home is elsewhere are mirrored, so that a run needs one host only.",
        ("missing mirrors are made", "a mirror that lags is seen"),
    ),
    PlannedPhase(
        "conc",
        "plan-phase-conc-concurrency.md",
        "Two at a time",
        "Two runs on one host neither see nor slow each other more than was agreed.",
        ("names never collide", "a cancelled run frees what it held"),
        _BOTH,
    ),
    PlannedPhase(
        "rcust",
        "plan-phase-rcust-recipe-customization.md",
        "What a recipe may say",
        "A recipe says in one file what is special about it, and the harness needs no change for it.",
        ("the file has a schema", "an unknown key is an error with its line"),
    ),
    PlannedPhase(
        "shot",
        "plan-phase-shot-screenshots.md",
        "Pictures",
        "Each run leaves a picture of the recipe as it greets its user.",
        ("taken when the page is ready, not after a pause", "no credential in any picture"),
    ),
    PlannedPhase(
        "lvl5",
        "plan-phase-lvl5-lint-rung.md",
        "The fifth level",
        "The highest level also wants a clean recipe, and the cap that stood in for it goes.",
        ("lint is a stage like the others", "levels of old runs stay as they were"),
        _ADVERSARY,
    ),
    PlannedPhase(
        "mailu",
        "plan-phase-mailu-backup.md",
        "A backup of mail",
        "The mail recipe is backed up and restored with mail in it, while mail arrives.",
        ("a message sent before the backup is there after the restore", "none arrives twice"),
        _BUILDER,
    ),
    PlannedPhase(
        "aoeng",
        "plan-phase-aoeng-engine.md",
        "The engine by itself",
        "What runs the agents becomes a project of its own that knows nothing of this one.",
        ("its configuration is the only place with names of ours", "its tests need no agent program"),
    ),
    PlannedPhase(
        "poe2e",
        "plan-phase-poe2e-end-to-end.md",
        "All of it together",
        "This project is staged as a project of the engine, compared line by line, and not switched over.",
        ("a scratch project lives and goes", "the staged status is the live one", "nothing live was touched"),
        _BOTH,
    ),
)
AT = 16
"""Index of the phase that the deployment is in: mailu."""
