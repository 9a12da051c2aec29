"""What AWS lets an account switch on for all that it makes, and what holds here.

Each of these switches stands where CloudStack leaves it; clients that look are told, and one that switches off what is
off already is told that it is. Switching on is refused with the reason, as for everything that does not exist here.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error

OPEN, CLOSED = "unblocked", "block-all-sharing"
OWN_KEY = "alias/aws/ebs"
"""AWS's name for the key of an account that has chosen none."""


@action("GetEbsEncryptionByDefault")
async def get_ebs_encryption_by_default(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that volumes are encrypted by their disk offering, not by default."""
    return {"EbsEncryptionByDefault": False, "SseType": "none"}


@action("DisableEbsEncryptionByDefault")
async def disable_ebs_encryption_by_default(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm that volumes are not encrypted by default."""
    return {"EbsEncryptionByDefault": False}


@action("GetEbsDefaultKmsKeyId")
async def get_ebs_default_kms_key_id(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that the account has chosen no key of its own."""
    return {"KmsKeyId": OWN_KEY}


@action("ResetEbsDefaultKmsKeyId")
async def reset_ebs_default_kms_key_id(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm that the account has chosen no key of its own."""
    return {"KmsKeyId": OWN_KEY}


@action("ModifyEbsDefaultKmsKeyId", honours=("KmsKeyId",))
async def modify_ebs_default_kms_key_id(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm AWS's own key; a key that somebody chose would have to be CloudStack's."""
    key = request.get("KmsKeyId") or ""
    # An alias is named as it is, or at the end of an ARN.
    if key.rpartition(":")[2] != OWN_KEY:
        raise Ec2Error(
            "UnsupportedOperation",
            f"The parameter KmsKeyId with the value '{key}' is not supported: CloudStack makes the keys of its"
            f" encrypted disks itself, so only {OWN_KEY} can be the default.",
        )
    return {"KmsKeyId": key}


@action("GetSerialConsoleAccessStatus")
async def get_serial_console_access_status(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that there is no serial console to connect to."""
    return {"SerialConsoleAccessEnabled": False, "ManagedBy": "account"}


@action("DisableSerialConsoleAccess")
async def disable_serial_console_access(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm that there is no serial console."""
    return {"SerialConsoleAccessEnabled": False}


@action("GetImageBlockPublicAccessState", native=("listCapabilities",))
async def get_image_block_public_access_state(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return whether the cloud lets its users make images public."""
    may = (await ctx.account.capabilities()).get("userpublictemplateenabled", True)
    return {"ImageBlockPublicAccessState": OPEN if may else "block-new-sharing", "ManagedBy": "account"}


@action("GetSnapshotBlockPublicAccessState")
async def get_snapshot_block_public_access_state(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that CloudStack shares no snapshot with anybody."""
    return {"State": CLOSED, "ManagedBy": "account"}


@action("GetInstanceMetadataDefaults")
async def get_instance_metadata_defaults(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that the account has chosen nothing: all machines get at their metadata in one way."""
    return {"AccountLevel": {}}


@action("GetAllowedImagesSettings")
async def get_allowed_images_settings(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that every image that the account sees may be launched."""
    return {"State": "disabled", "ImageCriteria": [], "ManagedBy": "account"}
