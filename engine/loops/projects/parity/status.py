"""What a captured status of a deployment would show: so that a configuration can be held against one.  Pure."""

from __future__ import annotations

from dataclasses import replace

from loops.projects.deployment.facts import effective_model
from loops.projects.deployment.model import Deployment, Form, Member, Step


def as_status(deployment: Deployment, captured: Deployment) -> Deployment:
    """Return *deployment* as ``status`` would print it in the phase that *captured* shows; a captured one as it is.

    The models are the effective ones, and of the plan the head may show the file's name alone.
    """
    if deployment.form is Form.STATUS:
        return deployment
    steps = deployment.steps or ()
    named = captured.now.id if captured.now is not None else None
    now = next((step for step in steps if step.id == named), None)
    printed = {member.name for member in captured.members if member.model is not None}
    return Deployment(
        source=deployment.source,
        form=Form.STATUS,
        root=deployment.root,
        members=tuple(_row(member, now, member.name in printed) for member in deployment.members),
        now=_head(now, deployment.members, captured.now) if now is not None else None,
        count=len(steps) if deployment.steps is not None and captured.count is not None else None,
        at=deployment.at,
        complete=deployment.complete,
        untold=deployment.untold,
        origins=deployment.origins,
    )


def _row(member: Member, now: Step | None, with_model: bool) -> Member:
    """The columns.  A loop agent's model may be told as that of the phase, and not here."""
    model = _effective(now, member) if member.kind == "loop" else member.model
    return replace(
        Member(member.name),
        kind=member.kind,
        backend=member.backend,
        model=model if with_model or member.kind != "loop" else None,
        watch=member.watch,
        enabled=member.enabled,
        state=member.state,
    )


def _effective(now: Step | None, member: Member) -> str | None:
    return effective_model(now.models, member) if now is not None and now.models is not None else member.model


def _head(step: Step, members: tuple[Member, ...], captured: Step | None) -> Step:
    loops = [member for member in members if member.kind == "loop"]
    models = {member.name: effective_model(step.models or {}, member) for member in loops}
    plan = step.plan
    if plan is not None and captured is not None and "/" not in (captured.plan or ""):
        plan = plan.rpartition("/")[2]
    return Step(step.id, plan=plan, models=models)
