"""The kickoff that a script builds: rendered for each phase and role, and turned back into a template with slots."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from loops.projects.deployment.model import Step
from loops.projects.deployment.python.scripts import Function, Scripts
from loops.projects.deployment.python.world import CannotTell

Render = Callable[[str, Step], str]
"""The kickoff of a role in a phase.  Raises CannotTell."""

# Private letters that stand for the slots while a template is found: no function of a script can take them apart.
_SLOTS = {"\ue000": "{phase_id}", "\ue001": "{plan}", "\ue002": "{status}", "\ue003": "{role}", "\ue004": "{role_text}"}
_PHASE, _PLAN, _STATUS, _ROLE, _TEXT = _SLOTS
_MEANINGS: Mapping[str, frozenset[str]] = {
    "role": frozenset({"role", "name", "agent", "who", "loop"}),
    "id": frozenset({"phase_id", "phase", "pid", "id", "phaseid"}),
    "plan": frozenset({"plan", "plan_file", "planfile", "plan_path", "plan_doc", "plan_name"}),
    "status": frozenset({"status", "status_file", "statusfile", "status_path", "status_doc", "status_name"}),
}


@dataclass(frozen=True, slots=True)
class Kickoff:
    """How a script builds its kickoffs.  ``index_file``: where it reads the index of the phase, absolute."""

    scripts: Scripts
    function: Function
    steps: Sequence[Step]
    index_file: str

    def render(self, role: str, step: Step, overlay: Mapping[str, str] | None = None) -> str:
        """Return the kickoff of *role* in *step*.

        Raises:
            CannotTell: the function does something that is not evaluated, or wants something unknown.
        """
        index = self.steps.index(step) if step in self.steps else 0
        # A function that finds out by itself which phase it is, is shown each of them.
        found = self.scripts.call(
            self.function, self._arguments(role, step), {self.index_file: str(index), **(overlay or {})}
        )
        if not isinstance(found, str):
            raise CannotTell(self.place, f"{self.function.name}() returns no text")
        return found

    @property
    def place(self) -> str:
        """Where the function stands."""
        return self.scripts.world.place(self.function.module.path, self.function.node)

    def _arguments(self, role: str, step: Step) -> dict[str, object]:
        facts = {"role": role, "id": step.id, "plan": step.plan or "", "status": step.status or ""}
        found: dict[str, object] = {}
        needed = len(self.function.parameters) - len(self.function.node.args.defaults)
        for number, name in enumerate(self.function.parameters):
            meaning = next((each for each, names in _MEANINGS.items() if name.lower() in names), "")
            if meaning:
                found[name] = facts[meaning]
            elif number < needed:
                raise CannotTell(self.place, f"what {self.function.name}() wants as {name} is not known")
        return found

    def template(self, roles: Mapping[str, str]) -> str:
        """Return the template that gives these kickoffs again; *roles*: the path of each role's text, by role.

        Raises:
            CannotTell: there is no such template.
        """
        return self._marked(_ROLE, {path.replace(role, _ROLE): _TEXT for role, path in roles.items()})

    def template_of(self, role: str, path: str) -> str:
        """Return the template for one role alone, whose text is at *path* ("": it holds none).

        Raises:
            CannotTell: there is no such template.
        """
        return self._marked(role, {path: _TEXT} if path else {})

    def _marked(self, role: str, overlay: Mapping[str, str]) -> str:
        text = self.render(role, Step(_PHASE, _PLAN, _STATUS), overlay)
        for mark, slot in _SLOTS.items():
            text = text.replace(mark, slot)
        return text


def find(scripts: Scripts, module_name: str, steps: Sequence[Step], index_file: str) -> Kickoff | None:
    """Find the function that builds kickoffs: ``build_loop_kickoff``, else one with that word in its name."""
    module = scripts.module(module_name)
    if module is None:
        return None
    functions = [each for each in module.functions() if "kickoff" in each.name.lower() and each.parameters]
    named = sorted(functions, key=lambda each: (each.name != "build_loop_kickoff", "loop" not in each.name))
    return Kickoff(scripts, named[0], steps, index_file) if named else None
