"""Room to inflate into: making pages ready changes nothing but the time."""

import pytest

from kinspect import room
from kinspect.errors import Where
from kinspect.room import STEP, Room

HERE = Where("x")


@pytest.mark.parametrize("advice", [room._POPULATE, 9999, None])
def test_what_is_made_ready_keeps_what_it_holds(monkeypatch, advice):
    """On a system that knows the advice, on one that does not, and without any."""
    monkeypatch.setattr(room, "_POPULATE", advice)
    one = Room()
    assert one.ready(0) == STEP  # nothing is there yet
    size = STEP + 5
    view = one.of(size, HERE)
    view[0] = view[STEP] = view[size - 1] = 7
    assert one.ready(0) == STEP
    assert one.ready(STEP) == 2 * STEP
    assert one.ready(2 * STEP) == 3 * STEP  # behind its end
    assert view[0] == view[STEP] == view[size - 1] == 7
    assert sum(view) == 21
