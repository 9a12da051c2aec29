"""What one hypervisor refuses and another does, as CloudStack words it: docs/hypervisors.md says what comes of it."""

import pytest

from ec2bridge.cloudstack.errors import CloudStackError, translate
from ec2bridge.mapping import load_mappings

TABLE = load_mappings().errors
REFUSED = [
    (
        "resizeVolume",
        "The VM must be stopped or the disk detached in order to resize with the XenServer Hypervisor.",
        "IncorrectState",
    ),
    (
        "resizeVolume",
        "The current VM state is 'Running'. But the VM should be in Stopped state.",
        "IncorrectState",
    ),
    (
        "changeOfferingForVolume",
        "The current VM state is 'Running'. But VM should be in Stopped state.",
        "IncorrectState",
    ),
    (
        "resizeVolume",
        "This kind of KVM disk cannot be resized while it is connected to a VM that's not in the Stopped state.",
        "IncorrectState",
    ),
    (
        "resizeVolume",
        "VMware doesn't support shrinking volume from larger size: 20 GB to a smaller size: 10 GB",
        "InvalidParameterValue",
    ),
    ("resizeVolume", "Hypervisor Hyperv does not support volume resize", "Unsupported"),
    ("deployVirtualMachine", "Hypervisor LXC does not support rootdisksize override", "Unsupported"),
    (
        "resizeVolume",
        "Resize of volume 4c1e is not allowed, since disk size is strictly fixed as per the disk offering",
        "Unsupported",
    ),
    (
        "resizeVolume",
        "Failed to resize Root volume. The service offering of this Volume has been configured with a root disk"
        " size; on such case a Root Volume can only be resized when changing to another Service Offering with a"
        " Root disk size. For more details please check out the Official Resizing Volumes documentation.",
        "Unsupported",
    ),
    ("attachVolume", "deviceId should be 0,1,2,4-14", "InvalidParameterValue"),
    ("detachVolume", "Root volume detach is not supported for hypervisor type Ovm3", "Unsupported"),
    ("detachVolume", "Root volume detach is not supported for Managed DataStores", "Unsupported"),
    (
        "detachVolume",
        "Root volume detach can happen only when vm is in states: Stopped or Destroyed",
        "IncorrectState",
    ),
    (
        "createSnapshot",
        "KVM Snapshot is not supported for Running VMs. It is disabled by default due to a possible volume"
        " corruption in certain cases. To enable it set global settings kvm.snapshot.enabled to True. See the"
        " documentation for more details.",
        "IncorrectInstanceState",
    ),
    ("createSnapshot", "Ovm won't support taking snapshot", "Unsupported"),
    (
        "createSnapshot",
        "There is other active snapshot tasks on the instance to which the volume is attached, please try again"
        " later",
        "SnapshotCreationPerVolumeRateExceeded",
    ),
    (
        "createSnapshot",
        "There is other active Instance Snapshot tasks on the Instance to which the volume is attached, please"
        " try again later",
        "IncorrectState",
    ),
    (
        "createSnapshot",
        "There is other active vm snapshot tasks on the instance to which the volume is attached, please try"
        " again later",
        "IncorrectState",
    ),
    (
        "attachVolume",
        "Volume's disk offering has encryption enabled, but volume encryption is not supported for hypervisor"
        " type VMware",
        "Unsupported",
    ),
    (
        "deployVirtualMachine",
        "Root volume encryption is not supported for hypervisor type XenServer",
        "Unsupported",
    ),
    (
        "scaleVirtualMachine",
        "Scaling the VM dynamically is not supported for VMs running on Hypervisor [Hyperv].",
        "IncorrectInstanceState",
    ),
    ("resizeVolume", "The KVM host where vm is running is not Up", "Unavailable"),
    ("deployVirtualMachine", "Found unsupported root disk controller [ide].", "Unsupported"),
    (
        "deployVirtualMachine",
        "Unsupported: rootdisksize override (4 GB) is smaller than template size 8.00 GB",
        "InvalidBlockDeviceMapping",
    ),
    (
        "deployVirtualMachine",
        "Only support one network per VM if security group enabled",
        "Unsupported",
    ),
    (
        "deployVirtualMachine",
        "Security group feature is not supported for vmWare hypervisor",
        "Unsupported",
    ),
]


@pytest.mark.parametrize(
    ("command", "text", "code"), REFUSED, ids=[f"{c}-{n}" for n, (c, _, _) in enumerate(REFUSED)]
)
@pytest.mark.parametrize("status", [431, 200], ids=["at once", "in its job"])
def test_a_hypervisors_refusal_has_the_code_that_a_client_can_act_on(
    command: str, text: str, code: str, status: int
) -> None:
    translated = translate(
        CloudStackError(command, status, 431 if status == 431 else 530, errortext=text), TABLE
    )
    assert translated.code == code
    assert "{" not in translated.message
