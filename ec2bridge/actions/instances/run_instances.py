"""RunInstances.

One EC2 call launches several machines or none, and is answered as soon as CloudStack has accepted them; what is left
to do for each (its address, its volumes) goes on in the background, and the machine is `pending` until it is done.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.resources.launches.launch import launch_marked
from ec2bridge.resources.machines.states import HOST_NAMES
from ec2bridge.resources.volumes.types import PLAIN_SPEED

Row = dict[str, Any]


@action(
    "RunInstances",
    honours=(
        "LaunchTemplate",
        "InstanceMarketOptions.MarketType",
        "InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior",
        "InstanceMarketOptions.SpotOptions.BlockDurationMinutes",
        "InstanceMarketOptions.SpotOptions.ValidUntil",
        "MinCount",
        "MaxCount",
        "ImageId",
        "InstanceType",
        "KeyName",
        "SecurityGroupIds",
        "SecurityGroups",
        "SubnetId",
        "PrivateIpAddress",
        "Placement.AvailabilityZone",
        "Placement.AvailabilityZoneId",
        "Placement.GroupId",
        "Placement.GroupName",
        "NetworkInterfaces.DeviceIndex",
        "NetworkInterfaces.SubnetId",
        "NetworkInterfaces.Groups",
        "NetworkInterfaces.PrivateIpAddress",
        "NetworkInterfaces.PrivateIpAddresses",
        "NetworkInterfaces.AssociatePublicIpAddress",
        "NetworkInterfaces.NetworkInterfaceId",
        "NetworkInterfaces.DeleteOnTermination",
        "NetworkInterfaces.Description",
        "NetworkInterfaces.SecondaryPrivateIpAddressCount",
        "BlockDeviceMappings.DeviceName",
        "BlockDeviceMappings.NoDevice",
        "BlockDeviceMappings.VirtualName",
        "BlockDeviceMappings.Ebs.VolumeSize",
        "BlockDeviceMappings.Ebs.VolumeType",
        "BlockDeviceMappings.Ebs.SnapshotId",
        "BlockDeviceMappings.Ebs.Iops",
        "BlockDeviceMappings.Ebs.Encrypted",
        "BlockDeviceMappings.Ebs.DeleteOnTermination",
        "UserData",
        "ClientToken",
        "TagSpecifications",
        "InstanceInitiatedShutdownBehavior",
        "DisableApiTermination",
        "DisableApiStop",
        "EbsOptimized",
        "Monitoring.Enabled",
        "MetadataOptions",
        "CreditSpecification",
        "IamInstanceProfile",
        "MaintenanceOptions.AutoRecovery",
    ),
    ignores={
        "InstanceMarketOptions.SpotOptions.MaxPrice": "it is a limit, and CloudStack has no prices",
    },
    defaults={
        "HibernationOptions.Configured": (False,),
        "EnclaveOptions.Enabled": (False,),
        "Placement.Tenancy": ("default",),
        **{f"PrivateDnsNameOptions.{name}": (value,) for name, value in HOST_NAMES.items()},
        "NetworkInterfaces.InterfaceType": ("interface",),
        "NetworkInterfaces.NetworkCardIndex": (0,),
        "NetworkInterfaces.Ipv6AddressCount": (0,),
        "NetworkInterfaces.Ipv6PrefixCount": (0,),
        "NetworkInterfaces.Ipv4PrefixCount": (0,),
        "NetworkInterfaces.PrimaryIpv6": (False,),
        "NetworkInterfaces.AssociateCarrierIpAddress": (False,),
        "BlockDeviceMappings.Ebs.Throughput": PLAIN_SPEED["Throughput"],
        "Ipv6AddressCount": (0,),
        "EnablePrimaryIpv6": (False,),
        "NetworkPerformanceOptions.BandwidthWeighting": ("default",),
        "CapacityReservationSpecification.CapacityReservationPreference": ("open", "none"),
        "InstanceMarketOptions.SpotOptions.SpotInstanceType": ("one-time",),
    },
    native=("deployVirtualMachine", "listVirtualMachines", "listTemplates", "listNetworks"),
)
async def run_instances(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Launch between MinCount and MaxCount machines; the answer comes as soon as CloudStack has accepted them."""
    return await launch_marked(ctx, request, {})
