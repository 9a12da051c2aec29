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
CELLS = (
    "AttachVolume · attachVolume#1 · job-hangs",
    "CreateImage (of a running machine) · startVirtualMachine#1 · job-fails",
    "CreateSnapshot · createSnapshot#1 · job-fails",
    "CreateSnapshot · listSnapshots#1 · killed-before",
    "CreateVolume (of a snapshot) · createVolume#1 · job-fails",
    "DeleteVolume · deleteVolume#1 · killed-after",
    "DeregisterImage · deleteTemplate#1 · job-hangs",
    "ModifyVolume (type and size) · deleteTags#1 · refused",
    "ModifyVolume · resizeVolume#1 · killed-after",
)
"""Further ones that took some thought."""


def names() -> list[str]:
    """Return the scenarios of the sample."""
    return sorted({*SCENARIOS, *(cell.partition(" · ")[0] for cell in CELLS)})


def is_in(cell: Cell) -> bool:
    """Whether a cell is of the sample; the same cells each time."""
    return str(cell) in CELLS or (cell.scenario in SCENARIOS and _is_drawn(cell))


def _is_drawn(cell: Cell) -> bool:
    return int(hashlib.sha256(str(cell).encode()).hexdigest(), 16) % ONE_IN == 0
