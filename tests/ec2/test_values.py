"""CloudStack's ways of writing values."""

import pytest

from ec2bridge.ec2.values import iso, moment


@pytest.mark.parametrize(
    ("native", "shown"),
    [
        ("2026-11-23T12:36:35+0000", "2026-11-23T12:36:35.000Z"),
        # A server writes times in its own zone.
        ("2026-11-23T12:36:35+0100", "2026-11-23T11:36:35.000Z"),
        ("2026-11-23T20:00:00-0500", "2026-11-24T01:00:00.000Z"),
        (None, None),
    ],
)
def test_times_are_in_utc_whatever_the_servers_zone(native: str | None, shown: str | None) -> None:
    assert iso(native) == shown
    assert moment(native) == moment(shown)
