"""What a Date header tells of CloudStack's clock, and what it does not."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from ec2bridge.cloudstack.clock import TOLERANCE, offset

NOW = 1_800_000_000.0


def date(moment: float) -> str:
    return format_datetime(datetime.fromtimestamp(moment, UTC), usegmt=True)


@pytest.mark.parametrize(
    ("written", "sent", "received"),
    [
        (NOW, NOW, NOW + 0.2),
        (NOW, NOW, NOW + 300),  # dated at its start, as a long listing is
        (NOW + 300, NOW, NOW + 300),  # dated at its end
        (NOW - 25, NOW, NOW + 1),
        (NOW + 25, NOW, NOW + 1),
    ],
)
def test_what_the_time_on_its_way_explains_is_no_difference(
    written: float, sent: float, received: float
) -> None:
    assert offset(0.0, date(written), sent, received) == 0.0


@pytest.mark.parametrize("ahead", [3600.0, -3600.0, 120.0, -120.0])
@pytest.mark.parametrize("late", [0.2, 60.0])
def test_a_clock_that_is_wrong_is_found_whatever_the_answer_took(ahead: float, late: float) -> None:
    found = offset(0.0, date(NOW + ahead), NOW, NOW + late)
    assert abs(found - ahead) <= late + 1
    assert abs(offset(found, date(NOW + 500 + ahead), NOW + 500, NOW + 500.2) - ahead) <= TOLERANCE


def test_a_clock_that_was_put_right_is_seen() -> None:
    assert abs(offset(3600.0, date(NOW), NOW, NOW + 0.2)) <= 1


@pytest.mark.parametrize("header", [None, "", "yesterday", "Fri, 99 Nov 2026 99:00:00 GMT"])
def test_what_is_no_date_changes_nothing(header: str | None) -> None:
    assert offset(7.0, header, NOW, NOW) == 7.0
