"""Launch templates in the store: versions, aliases, and what a launch makes of them.

CloudStack has nothing like them, so a template with all its versions is one entry of the store, changed only if it
is still the one that was read; its name is reserved by an entry of its own, which keeps replicas apart.
"""

import json
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2 import registry
from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import KINDS, ec2_id, is_uuid
from ec2bridge.resources.images import parameters
from ec2bridge.resources.instances import user_data
from ec2bridge.resources.tags import resource_tags
from ec2bridge.store import Entry

log = logging.getLogger(__name__)

Template = dict[str, Any]
Data = dict[str, Any]

KIND, NAMES = "launch-template", "launch-template-name"
LATEST, DEFAULT = "$Latest", "$Default"
MOST_TEXT = 8 * 1024 * 1024
"""Characters of an account's templates with all their versions: a listing reads them all, and so does a change."""
_NAME = re.compile(r"[A-Za-z0-9().\-/_]{3,128}\Z")
_NUMBER = re.compile(r"[0-9]{1,9}")
# What a template and a launch call by different names.
_RENAMED = {"RamDiskId": "RamdiskId", "ElasticGpuSpecifications": "ElasticGpuSpecification"}
_BY_KEY = {"BlockDeviceMappings": "DeviceName"}
# One of them in a request stands for both of a template's.
_GROUPS = ("SecurityGroupIds", "SecurityGroups")
_TYPES = ("InstanceType", "InstanceRequirements")


async def templates(ctx: Context) -> list[Template]:
    """Return the caller's templates, oldest first."""
    return [entry.value for entry in await ctx.store.list(ctx.owner_id, KIND)]


async def find(ctx: Context, named: Mapping[str, Any]) -> Template:
    """Return the template that LaunchTemplateId or LaunchTemplateName names, or raise as AWS does."""
    template: Template = (await _entry(ctx, named)).value
    return template


async def _entry(ctx: Context, named: Mapping[str, Any]) -> Entry:
    ident, name = named.get("LaunchTemplateId"), named.get("LaunchTemplateName")
    if ident and name:
        raise Ec2Error(
            "InvalidParameterCombination",
            "Either provide launch template ID or launch template name to modify the template.",
        )
    if not ident and not name:
        raise Ec2Error(
            "MissingParameter",
            "The request must contain the parameter launch template ID or launch template name",
        )
    uuid_ = await native_id(ctx, str(ident)) if ident else await ctx.store.get(ctx.owner_id, NAMES, str(name))
    entry = await ctx.store.entry(ctx.owner_id, KIND, uuid_) if uuid_ else None
    if entry is None:
        if ident:
            raise KINDS[KIND].missing(str(ident))
        raise Ec2Error(
            "InvalidLaunchTemplateName.NotFoundException",
            f"The specified launch template, with template name {name}, does not exist.",
        )
    found: Entry = entry
    return found


async def native_id(ctx: Context, ident: str) -> str:
    """Return the store's key of a template, or raise InvalidLaunchTemplateId.NotFound or .Malformed."""
    if not is_uuid(ident) and not KINDS[KIND].is_id(ident):
        raise KINDS[KIND].refused(ident)
    for entry in await ctx.store.list(ctx.owner_id, KIND):
        if ident in (entry.key, ec2_id("lt", entry.key)):
            return str(entry.key)
    raise KINDS[KIND].missing(ident)


async def create(ctx: Context, name: str | None, description: str | None, data: Data) -> Template:
    """Store a new template with its first version."""
    if not name or not _NAME.match(name):
        raise Ec2Error(
            "InvalidLaunchTemplateName.MalformedException",
            "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and"
            f" the following characters: - ( ) . / _. '{name or ''}' is not.",
        )
    await check_data(ctx, data)
    await _check_room(ctx, {"id": "", "data": data}, "MaxTemplateLimitExceeded")
    key = str(uuid.uuid4())
    if not await ctx.store.put_new(ctx.owner_id, NAMES, name, key):
        raise Ec2Error(
            "InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use."
        )
    by = f"arn:aws:iam::{ctx.owner_id}:user/{ctx.identity.account}"
    template: Template = {"id": key, "name": name, "created": now(), "by": by, "default": 1, "next": 2}
    template["versions"] = {"1": {"created": now(), "description": description, "data": data}}
    await ctx.store.put(ctx.owner_id, KIND, key, template)
    return template


def now() -> str:
    """Return the present to the second, as the store keeps it."""
    return datetime.now(UTC).replace(microsecond=0).isoformat()


async def check_data(ctx: Context, data: Data) -> None:
    """Refuse what a template could not give back, and an image's parameter that stands for none, as AWS does."""
    if not data:
        raise Ec2Error("MissingParameter", "The request must contain the parameter LaunchTemplateData")
    user_data.checked(data.get("UserData"))
    for entry in data.get("TagSpecifications") or ():
        resource_tags.requested(entry.get("Tags"))
    if all(data.get(name) for name in _TYPES):
        raise Ec2Error(
            "InvalidParameterCombination",
            f"The parameters {' and '.join(_TYPES)} cannot be used together in one launch template.",
        )
    if ((data.get("InstanceMarketOptions") or {}).get("SpotOptions") or {}).get("ValidUntil"):
        raise Ec2Error(
            "UnsupportedOperation",
            "The parameter LaunchTemplateData.InstanceMarketOptions.SpotOptions.ValidUntil is not supported: a template"
            " serves launches of any day. Send it with the launch instead.",
        )
    await parameters.resolved(ctx, data.get("ImageId"))


async def _check_room(ctx: Context, template: Template, code: str) -> None:
    """Refuse what would make an account's templates longer than all of them may be together."""
    others = [other for other in await templates(ctx) if other["id"] != template["id"]]
    if len(json.dumps([*others, template])) > MOST_TEXT:
        raise Ec2Error(
            code,
            f"Your launch templates with all their versions may have {MOST_TEXT // 2**20} MiB: delete what you no"
            " longer need.",
        )


async def change(
    ctx: Context, named: Mapping[str, Any], alter: Callable[[Template], None], *, grows: bool = False
) -> Template:
    """Alter a template; tried again on the new one when another request was faster."""
    while True:
        entry = await _entry(ctx, named)
        template: Template = entry.value
        alter(template)
        if grows:
            await _check_room(ctx, template, "MaxTemplateVersionLimitExceeded")
        if await ctx.store.replace(ctx.owner_id, KIND, entry.key, template, entry.version):
            return template


async def delete(ctx: Context, template: Template) -> None:
    """Remove a template and free its name."""
    await ctx.store.delete(ctx.owner_id, KIND, template["id"])
    await ctx.store.delete(ctx.owner_id, NAMES, template["name"])


def onto(base: Data, data: Data) -> Data:
    """Return a version's data on that of its source: a type and requirements take each other's place."""
    typed = any(data.get(name) for name in _TYPES)
    return {**{name: value for name, value in base.items() if not (typed and name in _TYPES)}, **data}


def latest(template: Template) -> int:
    """Return the highest version that has not been deleted."""
    return max(int(number) for number in template["versions"])


def number_of(template: Template, version: str | None) -> int:
    """Return the number behind a version, which may be $Latest or $Default; it need not exist."""
    if version in (None, "", DEFAULT):
        return int(template["default"])
    if version == LATEST:
        return latest(template)
    if not _NUMBER.fullmatch(str(version)):
        raise Ec2Error("InvalidParameterValue", f"Value ({version}) for parameter version is invalid.")
    return int(str(version))


def version_of(template: Template, version: str | None) -> dict[str, Any]:
    """Return one version, or raise InvalidLaunchTemplateId.VersionNotFound."""
    number = number_of(template, version)
    found: dict[str, Any] | None = template["versions"].get(str(number))
    if found is None:
        raise Ec2Error(
            "InvalidLaunchTemplateId.VersionNotFound",
            f"Could not find the specified version {number} for the launch template with ID"
            f" {ec2_id('lt', template['id'])}.",
        )
    return found


async def applied(ctx: Context, request: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a launch's request with its template underneath, and the tags by which AWS marks its machines."""
    named = request.get("LaunchTemplate")
    if not named:
        _check_launch(ctx, request)
        return request, {}
    template = await find(ctx, named)
    number = number_of(template, named.get("Version"))
    merged = merge(version_of(template, str(number))["data"], request)
    merged.pop("LaunchTemplate")
    _check_launch(ctx, merged)
    return merged, {
        "aws:ec2launchtemplate:id": ec2_id("lt", template["id"]),
        "aws:ec2launchtemplate:version": str(number),
    }


def _check_launch(ctx: Context, request: dict[str, Any]) -> None:
    """Refuse what no launch takes, whether a template, a fleet or a spot request says it."""
    entry = registry.find("RunInstances")
    if entry is not None:
        registry.check_members(entry, request, lenient=_note if ctx.settings.lenient else None)


def _note(path: str) -> None:
    log.warning("RunInstances: the parameter %s of a launch is not supported and was ignored", path)


def merge(data: Data, request: dict[str, Any]) -> dict[str, Any]:
    """Return the launch that a template and a request make: what the request says outranks the template.

    Block devices go by their names and tags by resource type and key, so that a request adds to the template's.
    """
    under = {_RENAMED.get(name, name): value for name, value in data.items()}
    if any(request.get(name) for name in _GROUPS):
        under = {name: value for name, value in under.items() if name not in _GROUPS}
    merged = {**under, **request}
    for name, key in _BY_KEY.items():
        if under.get(name) and request.get(name):
            merged[name] = list({entry.get(key): entry for entry in (*under[name], *request[name])}.values())
    if under.get("Placement") and request.get("Placement"):
        merged["Placement"] = {**under["Placement"], **request["Placement"]}
    tags = _tags(under, request)
    if tags:
        merged["TagSpecifications"] = tags
    return merged


def _tags(under: Data, request: dict[str, Any]) -> list[dict[str, Any]]:
    found: dict[str, dict[str, str]] = {}
    for source in (under, request):
        for entry in source.get("TagSpecifications") or ():
            kind = entry.get("ResourceType", "")
            if source is under and kind == "spot-instances-request":
                continue  # for the request that a spot launch would make, and there is none
            tags = found.setdefault(kind, {})
            tags.update({tag.get("Key", ""): tag.get("Value") or "" for tag in entry.get("Tags") or ()})
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in found.items()
    ]


NAMED = ("LaunchTemplateId", "LaunchTemplateName")
