"""Launch templates as objects: create, describe, choose a default, delete.

They live in the store alone, see `_launch_templates`; their versions are in `launch_template_versions.py`.
"""

from datetime import datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.describe import Ids, Item, describe
from ec2bridge.ec2.filters import TAGS
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.instances import cpu_credits
from ec2bridge.resources.instances.facts import gather_facts
from ec2bridge.resources.instances.translation import instance
from ec2bridge.resources.launches import launch_templates
from ec2bridge.resources.launches.launch_templates import KIND, NAMED, Template
from ec2bridge.resources.machines.lookup import machine, user_data, volumes_of
from ec2bridge.resources.tags import resource_tags


def item(template: Template, tags: list[dict[str, str]]) -> Item:
    """Translate one template."""
    return {
        "LaunchTemplateId": ec2_id("lt", template["id"]),
        "LaunchTemplateName": template["name"],
        "CreateTime": datetime.fromisoformat(template["created"]),
        "CreatedBy": template["by"],
        "DefaultVersionNumber": template["default"],
        "LatestVersionNumber": launch_templates.latest(template),
        "Tags": tags,
    }


async def _tagged(ctx: Context, template: Template) -> Item:
    return item(template, (await resource_tags.merged(ctx, KIND, [template]))[template["id"]])


@action(
    "CreateLaunchTemplate",
    honours=(
        "LaunchTemplateName",
        "VersionDescription",
        "LaunchTemplateData",
        "TagSpecifications",
        "ClientToken",
    ),
)
async def create_launch_template(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Create a template; what it says is checked when something is launched from it, as on AWS."""
    tags = resource_tags.specified(request, KIND)
    template = await launch_templates.create(
        ctx,
        request.get("LaunchTemplateName"),
        request.get("VersionDescription"),
        request.get("LaunchTemplateData") or {},
    )
    await resource_tags.attach(ctx, KIND, template["id"], tags)
    return {"LaunchTemplate": item(template, resource_tags.as_list(tags))}


@describe(
    "DescribeLaunchTemplates",
    items="LaunchTemplates",
    ids={
        "LaunchTemplateIds": Ids("LaunchTemplateId", KIND),
        "LaunchTemplateNames": Ids(
            "LaunchTemplateName",
            None,
            "InvalidLaunchTemplateName.NotFoundException",
            "At least one of the launch templates specified in the request does not exist.",
        ),
    },
    filters={**TAGS, "create-time": "CreateTime", "launch-template-name": "LaunchTemplateName"},
    ignores={"IncludeManagedResources": "no service manages templates of its own here"},
    least=1,
    most=200,
)
async def describe_launch_templates(ctx: Context, request: dict[str, Any]) -> list[Item]:
    """Return the caller's templates."""
    found = await launch_templates.templates(ctx)
    tags = await resource_tags.merged(ctx, KIND, found)
    return [item(template, tags[template["id"]]) for template in found]


@action("ModifyLaunchTemplate", honours=(*NAMED, "DefaultVersion", "ClientToken"))
async def modify_launch_template(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Make a version the default one."""

    def alter(template: Template) -> None:
        if request.get("DefaultVersion"):
            number = launch_templates.number_of(template, request["DefaultVersion"])
            if str(number) not in template["versions"]:
                sentence = (
                    f"The launch template version {number} is not found for the specified launch template."
                )
                raise Ec2Error("InvalidLaunchTemplateId.VersionNotFound", sentence)
            template["default"] = number

    template = await launch_templates.change(ctx, request, alter)
    return {"LaunchTemplate": await _tagged(ctx, template)}


@action("DeleteLaunchTemplate", honours=NAMED)
async def delete_launch_template(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Delete a template with all its versions; machines launched from it stay as they are."""
    template = await launch_templates.find(ctx, request)
    answer = {"LaunchTemplate": await _tagged(ctx, template)}
    await launch_templates.delete(ctx, template)
    await resource_tags.forget(ctx, KIND, template["id"])
    return answer


@action("GetLaunchTemplateData", honours=("InstanceId",), native=("listVirtualMachines", "listVolumes"))
async def get_launch_template_data(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the template that a machine could have been launched from."""
    found = await machine(ctx, request.get("InstanceId") or "")
    known = {found.uuid: found.record} if found.record else {}
    rows = [found.row]
    shown = instance(await gather_facts(ctx, rows, known, await volumes_of(ctx, rows)), found.row)
    data = {
        **{
            name: shown[name]
            for name in ("ImageId", "InstanceType", "KeyName", "EbsOptimized")
            if shown.get(name)
        },
        "DisableApiTermination": bool(found.row.get("deleteprotection")),
        "Monitoring": {"Enabled": shown["Monitoring"]["State"] == "enabled"},
        "MetadataOptions": {k: v for k, v in shown["MetadataOptions"].items() if k != "State"},
        "CreditSpecification": _credits(found.row),
        "IamInstanceProfile": _profile(shown),
        "UserData": await user_data(ctx, found),
        "Placement": {k: v for k, v in shown["Placement"].items() if k in ("AvailabilityZone", "GroupName")},
        "BlockDeviceMappings": [_mapping(mapping) for mapping in shown["BlockDeviceMappings"]],
        "NetworkInterfaces": [_nic(nic) for nic in shown["NetworkInterfaces"]],
    }
    tags = [tag for tag in shown["Tags"] if not tag["Key"].startswith("aws:")]
    if tags:
        data["TagSpecifications"] = [{"ResourceType": "instance", "Tags": tags}]
    return {"LaunchTemplateData": {name: value for name, value in data.items() if value is not None}}


def _profile(shown: Item) -> Item | None:
    profile = shown.get("IamInstanceProfile")
    return {"Arn": profile["Arn"]} if profile else None


def _credits(row: Item) -> Item | None:
    option = resource_tags.marked(row, cpu_credits.MARK)
    return {"CpuCredits": option} if option else None


def _mapping(mapping: Item) -> Item:
    return {
        "DeviceName": mapping["DeviceName"],
        "Ebs": {"DeleteOnTermination": mapping["Ebs"]["DeleteOnTermination"]},
    }


def _nic(nic: Item) -> Item:
    return {
        "DeviceIndex": nic["Attachment"]["DeviceIndex"],
        "DeleteOnTermination": nic["Attachment"]["DeleteOnTermination"],
        "SubnetId": nic["SubnetId"],
        "Groups": [group["GroupId"] for group in nic.get("Groups") or ()],
    }
