import pytest
from real_project import Real
from loops.supervisor import events as ev

@pytest.mark.parametrize("backend", ["claude","codex","opencode","pi"])
def test_ok(new_real, backend):
    p = new_real(backend)
    p.write([Real("one", backend)])
    p.loops("up")
    p.wait_event(ev.TurnCompleted, "a turn", seconds=60)
    assert (p.clone("one")/"hello.txt").exists()
    print(p.story())
