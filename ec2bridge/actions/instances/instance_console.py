"""What an instance has to tell: its password, encrypted for the owner, and its console.

CloudStack encrypts a machine's password with its SSH key as AWS does (RSA, PKCS #1 v1.5, base64), so clients decrypt
it with the same private key; a machine without one is an error there and an empty answer here. The serial console's
text is out of users' reach in CloudStack, which is AWS's empty answer; its viewer is no screenshot.
"""

from datetime import UTC, datetime
from typing import Any

from ec2bridge.cloudstack.errors import CloudStackError
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.resources.machines.lookup import machine

_NONE = "No password found"


@action("GetPasswordData", honours=("InstanceId",), native=("getVMPassword", "listVirtualMachines"))
async def get_password_data(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the machine's password as its key pair's private key decrypts it; empty where there is none."""
    found = await machine(ctx, request.get("InstanceId") or "")
    try:
        answer = await ctx.account.call("getVMPassword", id=found.uuid)
    except CloudStackError as error:
        if _NONE not in error.errortext:
            raise
        answer = {}
    password = (answer.get("password") or {}).get("encryptedpassword", "")
    return {"InstanceId": found.id, "PasswordData": password, "Timestamp": datetime.now(UTC)}


@action(
    "GetConsoleOutput",
    honours=("InstanceId",),
    ignores={"Latest": "CloudStack gives users no console output, old or new"},
    native=("listVirtualMachines",),
)
async def get_console_output(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the empty output that AWS has for a machine that has written nothing yet."""
    found = await machine(ctx, request.get("InstanceId") or "")
    return {"InstanceId": found.id, "Output": "", "Timestamp": datetime.now(UTC)}
