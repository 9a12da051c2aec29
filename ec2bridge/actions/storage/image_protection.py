"""Images that are out of date, and images that may not go.

CloudStack knows neither. When an image is deprecated and whether it is protected stand in reserved tags on the
template; the bridge keeps to them, and CloudStack's own interface does not.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.images.lookup import (
    COOLING,
    DEPRECATED,
    GUARDED,
    PROTECTED,
    UNPROTECTED,
    cooling_until,
    resolve_image,
)
from ec2bridge.resources.tags import resource_tags

YEARS = 10  # AWS: "The upper limit for DeprecateAt is 10 years from now"
COOLDOWN = timedelta(hours=24)


@action("EnableImageDeprecation", honours=("ImageId", "DeprecateAt"), native=("createTags", "listTemplates"))
async def enable_image_deprecation(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Say from when on an image is out of date; others then no longer see it unless they ask for such images."""
    when = request.get("DeprecateAt")
    if not isinstance(when, datetime):
        raise Ec2Error("MissingParameter", "The request must contain the parameter DeprecateAt")
    now = datetime.now(UTC)
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    if not now < when < now + timedelta(days=365.25 * YEARS):
        raise Ec2Error(
            "InvalidParameterValue",
            f"Value ({when.isoformat()}) for parameter DeprecateAt is invalid: it must lie in the next {YEARS} years.",
        )
    row = await resolve_image(ctx, request.get("ImageId"))
    # AWS rounds to the minute.
    rounded = (when.astimezone(UTC) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:00.000Z")
    await resource_tags.mark(ctx, "image", row, {DEPRECATED: rounded})
    return {"Return": True}


@action("DisableImageDeprecation", honours=("ImageId",), native=("deleteTags", "listTemplates"))
async def disable_image_deprecation(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Take the deprecation of an image back."""
    row = await resolve_image(ctx, request.get("ImageId"))
    await resource_tags.mark(ctx, "image", row, {DEPRECATED: None})
    return {"Return": True}


@action(
    "EnableImageDeregistrationProtection",
    honours=("ImageId", "WithCooldown"),
    native=("createTags", "listTemplates"),
)
async def enable_image_deregistration_protection(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Protect an image from being deregistered; with a cooldown, for a day longer than it is asked for."""
    row = await resolve_image(ctx, request.get("ImageId"))
    await resource_tags.mark(
        ctx, "image", row, {PROTECTED: COOLING if request.get("WithCooldown") else GUARDED}
    )
    return {"Return": "true"}


@action("DisableImageDeregistrationProtection", honours=("ImageId",), native=("deleteTags", "listTemplates"))
async def disable_image_deregistration_protection(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Take the protection of an image back; one with a cooldown lasts a day more."""
    row = await resolve_image(ctx, request.get("ImageId"))
    held = resource_tags.hidden(row).get(PROTECTED, UNPROTECTED)
    if held == COOLING:
        until = (datetime.now(UTC) + COOLDOWN).strftime("%Y-%m-%dT%H:%M:%SZ")
        await resource_tags.mark(ctx, "image", row, {PROTECTED: f"{UNPROTECTED} after {until}"})
    elif cooling_until(held) is None:
        await resource_tags.mark(ctx, "image", row, {PROTECTED: None})
    return {"Return": "true"}
