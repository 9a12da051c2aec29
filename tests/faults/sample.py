"""The cells that CI runs: some of each kind of story, chosen once and for all."""

import hashlib

from tests.faults.cells import Cell

SCENARIOS = (
    "AttachVolume",
    "AuthorizeSecurityGroupIngress (on an address)",
    "CreateDefaultSubnet",
    "CreateKeyPair",
    "CreateNetworkAcl",
    "CreatePlacementGroup",
    "CreateSecurityGroup (in a VPC)",
    "CreateSubnet",
    "CreateVolume",
    "CreateVpc",
    "CreateVpnConnection",
    "DeleteSnapshot",
    "DeleteTags",
    "DeleteVpc",
    "DetachVolume",
    "DisassociateAddress",
    "ReplaceNetworkAclEntry",
    "RunInstances (where groups are CloudStack's)",
)
ONE_IN = 3


def is_in(cell: Cell) -> bool:
    """Whether a cell is of the sample; the same cells each time."""
    return int(hashlib.sha256(str(cell).encode()).hexdigest(), 16) % ONE_IN == 0
