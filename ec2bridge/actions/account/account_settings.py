"""What AWS lets an account switch on for all that it makes, and what holds here.

Each of these switches stands where CloudStack leaves it; clients that look are told, and one that switches off what is
off already is told that it is. Switching on is refused with the reason, as for everything that does not exist here.
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action

OPEN, CLOSED = "unblocked", "block-all-sharing"


@action("GetEbsEncryptionByDefault")
async def get_ebs_encryption_by_default(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return that volumes are encrypted by their disk offering, not by default."""
    return {"EbsEncryptionByDefault": False, "SseType": "none"}


@action("DisableEbsEncryptionByDefault")
async def disable_ebs_encryption_by_default(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Confirm that volumes are not encrypted by default."""
    return {"EbsEncryptionByDefault": False}


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
