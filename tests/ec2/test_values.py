"""CloudStack's ways of writing values."""

from ipaddress import IPv4Network, IPv6Network

import pytest

from ec2bridge.ec2.values import cidr_block, iso, moment
from ec2bridge.errors import Ec2Error


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


def test_a_range_loses_what_is_beyond_its_prefix() -> None:
    assert str(cidr_block(IPv4Network, "100.68.0.18/18", "cidrBlock")) == "100.68.0.0/18"
    assert str(cidr_block(IPv6Network, "2001:DB8::1/32", "cidrBlock")) == "2001:db8::/32"


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1", "10.0.0.0/", "10.0.0.0/33", "10.0.0/8", "::/0", "10.0.0.0/255.0.0.0", "10.0.0.0/\u0661"],
)
def test_what_is_no_range_is_refused_by_the_parameters_name(text: str) -> None:
    with pytest.raises(Ec2Error, match="parameter destinationCidrBlock is invalid") as error:
        cidr_block(IPv4Network, text, "destinationCidrBlock")
    assert error.value.code == "InvalidParameterValue"
