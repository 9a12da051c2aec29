"""Attributes of an instance, one at a time: changing them.

What CloudStack has a field for is changed there, the rest kept in reserved tags; the machine's details are never
touched, since CloudStack replaces them all. CloudStack changes offering, user data and groups of stopped machines
only, where AWS changes groups of running ones too.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.instances.changes import HONOURED, WRITERS, change


@action(
    "ModifyInstanceAttribute",
    honours=("InstanceId", "Attribute", "Value", *HONOURED),
    native=("listVirtualMachines", "updateVirtualMachine"),
)
async def modify_instance_attribute(ctx: Context, request: dict[str, Any]) -> None:
    """Change one attribute of an instance."""
    member, value = _asked(request)
    await change(ctx, request.get("InstanceId") or "", member, value)


def _asked(request: dict[str, Any]) -> tuple[str, Any]:
    """Return the one member that is to change and its value; old clients name it in Attribute and Value."""
    name = request.get("Attribute")
    asked = [member for member in WRITERS if request.get(member)]
    named = [member for member, (attribute, _) in WRITERS.items() if attribute == name]
    if name and not named:
        raise Ec2Error(
            "InvalidParameterValue", f"Value ({name}) for parameter attribute is invalid. Unknown attribute."
        )
    if not (asked or named):
        raise Ec2Error("InvalidParameterCombination", "No attributes specified.")
    together = sorted({*asked, *named})
    if len(together) > 1 or (asked and request.get("Value") is not None):
        fields = ", ".join(WRITERS[member][0] for member in together)
        raise Ec2Error(
            "InvalidParameterCombination", f"Fields for multiple attribute types specified: {fields}"
        )
    if asked:
        value = request[asked[0]]
        return asked[0], value.get("Value", value.get("Enabled")) if isinstance(value, dict) else value
    if request.get("Value") is None:
        raise Ec2Error("MissingParameter", "The request must contain the parameter value")
    if name == "blockDeviceMapping":
        raise Ec2Error(
            "InvalidParameterCombination",
            "The attribute blockDeviceMapping is changed by BlockDeviceMappings.",
        )
    return named[0], request["Value"]
