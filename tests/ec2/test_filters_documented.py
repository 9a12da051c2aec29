"""Every filter that AWS documents is declared by the action that serves the listing, and no other.

A filter on something that CloudStack does not have is declared, too: it matches nothing, where one that AWS does not
have is an error.
"""

import pytest

from ec2bridge.ec2 import registry
from ec2bridge.wire.model import Operation, operation, operation_names

# Names that AWS takes besides those in its lists. Some stand in the prose ("You can also use availabilityZone as the
# filter name"), others stood there once and still work.
ALIASES = {
    "DescribeAddresses": {"domain"},
    "DescribeInstances": {
        "association.allocation-id",
        "association.association-id",
        "association.ip-owner-id",
        "association.public-ip",
        "group-id",
        "group-name",
        "iam-instance-profile.name",
    },
    # Terraform's provider finds lists by tags, and its tests do so on AWS.
    "DescribeManagedPrefixLists": {"tag:*"},
    "DescribeNetworkInterfaces": {"group-name"},
    "DescribeSubnets": {
        "availabilityZone",
        "availabilityZoneId",
        "cidr",
        "cidrBlock",
        "defaultForAz",
    },
    "DescribeVpcs": {"cidr-block", "cidrBlock", "isDefault"},
}


def documented(op: Operation) -> set[str]:
    """The filters of AWS's documentation, with those of its names that are written in several ways."""
    names = {"tag:*" if name == "tag" else name for name in op.filters_documented}
    if "tag-key" in names:
        # It stood beside tag-key in the lists until 2019, and old clients and scripts use it.
        names.add("tag-value")
    return names | ALIASES.get(op.name, set())


def with_filters() -> list[str]:
    registry.load()
    served = {entry.name for entry in registry.served() if entry.service == "ec2"}
    return [name for name in operation_names() if name in served and operation(name).filters_documented]


@pytest.mark.parametrize("name", with_filters())
def test_the_documented_filters_are_declared(name: str) -> None:
    op = operation(name)
    assert op is not None
    entry = registry.find(name)
    assert entry is not None
    wanted = documented(op)
    # Where AWS lists the filter on one tag alone, those on any tag's key or value do no harm.
    harmless = {"tag-key", "tag-value"} if "tag:*" in wanted else set()

    declared = set(entry.filters)

    assert declared >= wanted, f"missing: {sorted(wanted - declared)}"
    assert declared - harmless <= wanted, f"made up: {sorted(declared - harmless - wanted)}"
