"""What the page about awsapi and ec2stack says of their calls."""

import re
from pathlib import Path

from ec2bridge import coverage
from ec2bridge.config import Settings

PAGE = Path(__file__).parent.parent / "docs" / "migrating.md"
EC2STACK = """
AttachVolume AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress CreateKeyPair CreateSecurityGroup CreateSnapshot
CreateTags CreateVolume CreateVpc DeleteKeyPair DeleteSecurityGroup DeleteSnapshot DeleteTags DeleteVolume DeleteVpc
DescribeAvailabilityZones DescribeImageAttribute DescribeImages DescribeInstanceAttribute DescribeInstances
DescribeKeyPairs DescribeSecurityGroups DescribeSnapshots DescribeTags DescribeVolumes DescribeVpcs DetachVolume
GetPasswordData ImportKeyPair RebootInstances RevokeSecurityGroupEgress RevokeSecurityGroupIngress RunInstances
StartInstances StopInstances TerminateInstances
"""
"""The actions of ec2stack's last version, by its own table of them; those that registered keys are left out."""


def calls() -> dict[str, tuple[bool, bool]]:
    """Return the calls of the page's table: whether awsapi had each, and ec2stack."""
    table = PAGE.read_text(encoding="utf-8").split("## Call by call")[1].split("\n## ")[0]
    rows = [line.split("|")[1:-1] for line in table.splitlines() if line.startswith("| `")]
    return {
        name: (bool(row[1].strip()), bool(row[2].strip()))
        for row in rows
        for name in re.findall(r"`(\w+)`", row[0])
        if "**gone**" not in row[3]
    }


def test_every_call_of_the_table_is_served() -> None:
    served = {row.action for row in coverage.rows() if row.effect in coverage.SERVED}
    assert len(calls()) > 40
    assert set(calls()) - served == set()


def test_the_table_has_every_call_of_ec2stack() -> None:
    assert {name for name, (_, had) in calls().items() if had} == set(EC2STACK.split())


def test_the_settings_that_it_names_are_settings() -> None:
    table = PAGE.read_text(encoding="utf-8").split("## Setting by setting")[1].split("\n## ")[0]
    last = " ".join(line.split("|")[3] for line in table.splitlines() if line.startswith("|"))
    named = set(re.findall(r"`([a-z_]+)`", last))
    assert {"listen", "cloudstack_url", "zones", "store"} <= named
    assert named <= set(Settings.model_fields)
