"""Device names and CloudStack's device numbers.

EC2 attaches a volume under a name (`/dev/sdf`), CloudStack under a number, and the guest sees what its hypervisor
makes of it (`/dev/vdb`). Letters and numbers go in step (`/dev/sda1` is 0, `/dev/sdf` 5), so most names come back as
they were given with nothing remembered; one that would not is kept in a reserved tag on the volume. A hypervisor has
only so many numbers (KVM's has 32 disks): past them CloudStack chooses one.
"""

import re
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.values import known
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.tags import resource_tags

Row = dict[str, Any]

ROOT_DEVICE = "/dev/sda1"
DEVICE_MARK = "device"
"""Reserved tag on a volume: the name it was attached under, where its number does not tell."""
CD_ROM = 3
"""The number that CloudStack keeps for a machine's ISO."""
_NAME = re.compile(r"(?:/dev/)?(?:sd|xvd|vd|hd)([a-z]{1,2})(\d{0,2})")
_ROOTS = frozenset(
    {"/dev/sda1", "/dev/sda", "/dev/xvda", "/dev/xvda1", "/dev/vda", "sda1", "xvda", "sda", "vda"}
)


def is_root(name: str) -> bool:
    """Whether a device name means the root volume."""
    return name in _ROOTS


def device_number(name: str) -> int | None:
    """Return the number that goes with a name, None to leave it to CloudStack; refuse what is no device name."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({name}) for parameter device is invalid. {name} is not a valid EBS device name.",
        )
    number = 0
    for letter in match[1]:
        number = number * 26 + ord(letter) - ord("a") + 1
    number -= 1
    return None if number in (0, CD_ROM) else number


def number_name(number: int) -> str:
    """Return the name that goes with a number."""
    if number == 0:
        return ROOT_DEVICE
    letters = chr(ord("a") + number % 26)
    if number >= 26:
        letters = chr(ord("a") + number // 26 - 1) + letters
    return f"/dev/sd{letters}"


def device_name(volume: Row) -> str:
    """Return the name under which an attached volume is shown."""
    if volume.get("tags"):
        marked = resource_tags.hidden(volume).get(DEVICE_MARK)
        if marked:
            return marked
    return number_name(int(volume.get("deviceid", 0)))


async def attach(ctx: Context, volume: Row, machine: str, name: str, number: int | None) -> Row:
    """Attach a volume to a machine's uuid under a number, if the machine's hypervisor has it, else under any.

    Returns the volume as the job tells it.
    """
    command, params = "attachVolume", {"id": volume["id"], "virtualmachineid": machine}
    try:
        made: Row = await ctx.account.job(command, **params, **known(deviceid=number))
    except CloudStackError as error:
        if number is None or not is_number_refused(error):
            raise
        if number_name(number) == name:
            # Only now it does not follow from the number any more.
            await resource_tags.mark(ctx, "volume", volume, {DEVICE_MARK: name})
        made = await ctx.account.job(command, **params)
    return made


def is_number_refused(error: CloudStackError) -> bool:
    """Whether a volume was not attached because the machine's hypervisor has no such number."""
    return error.errortext.startswith("deviceId should be")
