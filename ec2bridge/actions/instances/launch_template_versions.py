"""Versions of launch templates: each is whole, numbered from 1, never changed and never numbered again.

They live in the store alone, see `_launch_templates`.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Item, describe
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images import parameters
from ec2bridge.resources.launches import launch_templates
from ec2bridge.resources.launches.launch_templates import DEFAULT, LATEST, NAMED, Template

_DATA = "LaunchTemplateData"
_OF_ALL = (
    f"Without a launch template ID or name, Versions must be {LATEST}, {DEFAULT} or both, and no number."
)


def item(template: Template, number: str) -> Item:
    """Translate one version."""
    version = template["versions"][number]
    described = {"VersionDescription": version["description"]} if version["description"] else {}
    return {
        "LaunchTemplateId": ec2_id("lt", template["id"]),
        "LaunchTemplateName": template["name"],
        "VersionNumber": int(number),
        "CreateTime": datetime.fromisoformat(version["created"]),
        "CreatedBy": template["by"],
        "DefaultVersion": int(number) == template["default"],
        _DATA: version["data"],
        "_Place": f"{template['id']} {int(number):09d}",
        **described,
    }


def _public(shown: Item) -> Item:
    return {name: value for name, value in shown.items() if name[0] != "_"}


@action(
    "CreateLaunchTemplateVersion",
    honours=(*NAMED, "SourceVersion", "VersionDescription", _DATA, "ClientToken", "ResolveAlias"),
)
async def create_launch_template_version(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Add a version; with SourceVersion it has what that one says and the request does not."""
    data = request.get(_DATA) or {}
    await launch_templates.check_data(ctx, data)
    made: list[str] = []

    def alter(template: Template) -> None:
        source = request.get("SourceVersion")
        base = launch_templates.version_of(template, source)["data"] if source else {}
        number = str(template["next"])
        template["next"] += 1
        template["versions"][number] = {
            "created": launch_templates.now(),
            "description": request.get("VersionDescription"),
            "data": launch_templates.onto(base, data),
        }
        made[:] = [number]

    template = await launch_templates.change(ctx, request, alter, grows=True)
    shown = [item(template, made[0])]
    return {"LaunchTemplateVersion": _public((await _resolved(ctx, request, shown))[0])}


@describe(
    "DescribeLaunchTemplateVersions",
    items="LaunchTemplateVersions",
    key="_Place",
    honours=(*NAMED, "Versions", "MinVersion", "MaxVersion", "ResolveAlias"),
    ignores={"IncludeManagedResources": "no service manages templates of its own here"},
    filters={
        "create-time": "CreateTime",
        "ebs-optimized": f"{_DATA}.EbsOptimized",
        "host-resource-group-arn": f"{_DATA}.Placement.HostResourceGroupArn",
        "http-endpoint": f"{_DATA}.MetadataOptions.HttpEndpoint",
        "http-protocol-ipv4": None,
        "http-tokens": f"{_DATA}.MetadataOptions.HttpTokens",
        "iam-instance-profile": f"{_DATA}.IamInstanceProfile.Arn",
        "image-id": f"{_DATA}.ImageId",
        "instance-type": f"{_DATA}.InstanceType",
        "is-default-version": "DefaultVersion",
        "kernel-id": f"{_DATA}.KernelId",
        "license-configuration-arn": f"{_DATA}.LicenseSpecifications.LicenseConfigurationArn",
        "network-card-index": f"{_DATA}.NetworkInterfaces.NetworkCardIndex",
        "ram-disk-id": f"{_DATA}.RamDiskId",
    },
    least=1,
    most=200,
)
async def describe_launch_template_versions(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return versions of one template, or the latest or default ones of all."""
    if request.get("LaunchTemplateId") or request.get("LaunchTemplateName"):
        template = await launch_templates.find(ctx, request)
        return await _resolved(
            ctx, request, [item(template, number) for number in _chosen(template, request)]
        )
    asked = request.get("Versions") or []
    if not asked or any(version not in (LATEST, DEFAULT) for version in asked):
        raise Ec2Error("InvalidParameterValue" if asked else "MissingParameter", _OF_ALL)
    found = [
        item(template, number)
        for template in await launch_templates.templates(ctx)
        for number in _chosen(template, {"Versions": asked})
    ]
    return await _resolved(ctx, request, found)


async def _resolved(ctx: Context, request: dict[str, Any], items: list[Item]) -> list[Item]:
    """Return the versions with the ids that parameters stand for at the moment, where ResolveAlias asks for these."""
    if not request.get("ResolveAlias"):
        return items
    images = {shown[_DATA]["ImageId"] for shown in items if shown[_DATA].get("ImageId")}
    ids = {image: await parameters.resolved(ctx, image) for image in images}
    return [
        {**shown, _DATA: {**shown[_DATA], "ImageId": ids[image]}}
        if (image := shown[_DATA].get("ImageId"))
        else shown
        for shown in items
    ]


def _chosen(template: Template, request: dict[str, Any]) -> Iterator[str]:
    if request.get("Versions"):
        for version in request["Versions"]:
            launch_templates.version_of(template, version)
        numbers = {launch_templates.number_of(template, version) for version in request["Versions"]}
    else:
        numbers = {int(number) for number in template["versions"]}
    least = launch_templates.number_of(template, request.get("MinVersion") or "1")
    most = launch_templates.number_of(template, request.get("MaxVersion") or LATEST)
    yield from (str(number) for number in sorted(numbers, reverse=True) if least <= number <= most)


@action("DeleteLaunchTemplateVersions", honours=(*NAMED, "Versions"))
async def delete_launch_template_versions(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete those versions that can be; each of the others is answered with its error."""
    gone: list[int] = []
    kept: list[tuple[int, str, str]] = []

    def alter(template: Template) -> None:
        gone.clear()
        kept.clear()
        for version in request.get("Versions") or ():
            number = launch_templates.number_of(template, version)
            if number == template["default"]:
                sentence = "The default version cannot be deleted: make another one the default first."
                kept.append((number, "unexpectedError", sentence))
            elif template["versions"].pop(str(number), None) is None:
                kept.append(
                    (number, "launchTemplateVersionDoesNotExist", f"Version {number} does not exist.")
                )
            else:
                gone.append(number)

    template = await launch_templates.change(ctx, request, alter)
    named = {"LaunchTemplateId": ec2_id("lt", template["id"]), "LaunchTemplateName": template["name"]}
    return {
        "SuccessfullyDeletedLaunchTemplateVersions": [{**named, "VersionNumber": n} for n in gone],
        "UnsuccessfullyDeletedLaunchTemplateVersions": [
            {**named, "VersionNumber": n, "ResponseError": {"Code": code, "Message": sentence}}
            for n, code, sentence in kept
        ],
    }
