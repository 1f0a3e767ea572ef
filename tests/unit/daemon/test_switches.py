"""Switches hold after a restart, unless the configuration says otherwise since."""

from __future__ import annotations

import pytest

from daemon.storage import Store
from daemon.switches import Switches


@pytest.mark.parametrize(
    ("switched", "configured_then", "configured", "expected"),
    [
        (None, None, True, True),
        (None, None, False, False),
        (False, True, True, False),  # switched off, and nothing changed
        (True, False, False, True),
        (True, True, False, False),  # the configuration was changed after it: it says so last
        (False, False, True, True),
    ],
)
def test_enabled(tmp_path, switched, configured_then, configured, expected):
    store = Store(tmp_path)
    if switched is not None:
        Switches(store).set_enabled("door", switched, configured_then)
        store.close()
        store = Store(tmp_path)
    assert Switches(store).enabled("door", configured) is expected


def test_alerts_and_profile(tmp_path):
    store = Store(tmp_path)
    switches = Switches(store)
    assert switches.alerts("door")
    assert switches.profile(["home", "away"]) == "home"
    assert switches.profile([]) is None
    switches.set_alerts("door", False)
    switches.set_profile("away")
    again = Switches(Store(tmp_path))
    assert not again.alerts("door")
    assert again.alerts("garden")
    assert again.profile(["home", "away"]) == "away"
    assert again.profile(["home", "night"]) == "home"  # gone from the configuration
