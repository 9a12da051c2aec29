"""Parameters that stand for an image: AWS's public ones by the operator's table, and one for each template.

AWS publishes the ids of its images under names of Systems Manager (`/aws/service/…`), where the newest replaces the one
before. CloudStack has templates with names, and anybody may publish one under any name. So a parameter tells only what
the operator features or the caller owns; another account's template is reached by a name that says whose it is.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ec2bridge.ec2.context import Context, owner_of
from ec2bridge.ec2.values import known, moment
from ec2bridge.errors import Ec2Error
from ec2bridge.ids import ec2_id
from ec2bridge.resources.images.lookup import deprecated_at
from ec2bridge.resources.instance_types import architecture

Row = dict[str, Any]
Item = dict[str, Any]

OWN = "/ec2bridge/image/"
"""What the names begin with that every template has, whoever's table says what: OWN + name, or OWN + owner/name."""
RESOLVE = "resolve:ssm:"
"""What stands before a parameter's name where EC2 takes an image's id."""
VERSION = "1"

_ARN = re.compile(r"arn:aws[a-z-]*:ssm:([^:]*):(?:\d{12})?:parameter(/.+)")
_OWNER = re.compile(r"(\d{12})/(.+)")
_UNFIT = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A parameter as a client names it: plain or by its ARN, and the version or label that stands behind a colon."""

    name: str
    selector: str


def read(ctx: Context, text: str) -> Asked:
    """Take a parameter's name apart; an ARN of another region names none of here."""
    arn = _ARN.fullmatch(text)
    if arn and arn[1] != ctx.settings.region:
        raise _missing(f"The parameter {text} is of the region {arn[1]}, and this is {ctx.settings.region}.")
    name, _, selector = (arn[2] if arn else text).partition(":")
    return Asked(name, selector)


async def parameter(ctx: Context, text: str) -> Item:
    """Return the parameter of that name, or raise ParameterNotFound or ParameterVersionNotFound."""
    return parameter_of(ctx, await templates(ctx), text)


def parameter_of(ctx: Context, rows: Iterable[Row], text: str) -> Item:
    """Return the parameter of that name, of the templates that the caller may launch, or raise as `parameter` does."""
    asked = read(ctx, text)
    if not _is_known(ctx, asked.name):
        raise _missing(_why_unknown(asked.name))
    found = find(ctx, rows, asked.name)
    if found is None:
        raise _missing(_why_empty(asked.name))
    if asked.selector not in ("", VERSION):
        raise Ec2Error(
            "ParameterVersionNotFound",
            f"The parameter {asked.name} has no version or label {asked.selector}: each has the version"
            f" {VERSION} alone, and stands for the newest image.",
        )
    return item(ctx, asked.name, found, asked.selector)


async def resolved(ctx: Context, image: str | None) -> str | None:
    """Return the id behind `resolve:ssm:NAME`, and any other id as it is."""
    if not image or not image.startswith(RESOLVE):
        return image
    try:
        value: str | None = (await parameter(ctx, image.removeprefix(RESOLVE)))["Value"]
    except Ec2Error as error:
        if not error.code.startswith("Parameter"):
            raise
        sentence = f"The following aliases are invalid: [{image}]. {error.message}"
        raise Ec2Error("SsmInvalidParameter", sentence) from None
    return value


async def templates(ctx: Context) -> list[Row]:
    """Return the templates that the caller may launch and that are not deprecated, the newest first, once each."""
    listings = await asyncio.gather(
        *(
            ctx.account.list("listTemplates", templatefilter=sort)
            for sort in ("executable", "sharedexecutable")
        )
    )
    ready = {row["id"]: row for rows in listings for row in rows if row.get("isready")}
    now = datetime.now(UTC)
    current = [
        row
        for row in ready.values()
        if not ((when := deprecated_at(row)) and datetime.fromisoformat(when) <= now)
    ]
    return sorted(current, key=lambda row: (moment(row.get("created")) or now, row["id"]), reverse=True)


def find(ctx: Context, rows: Iterable[Row], name: str) -> Row | None:
    """Return the newest of the templates that a parameter stands for; `rows` are in that order."""
    stands = _matcher(ctx, name)
    return next((row for row in rows if stands(row)), None)


def names(ctx: Context, rows: Iterable[Row]) -> list[str]:
    """Return the names of all parameters that may stand for one of the templates."""
    own = (f"{OWN}{_fit(row['name'])}" for row in rows if _is_trusted(ctx, row))
    others = (f"{OWN}{owner_of(row)}/{_fit(row['name'])}" for row in rows if not _is_trusted(ctx, row))
    return sorted({*ctx.mappings.parameters.by_name, *own, *others})


def item(ctx: Context, name: str, row: Row, selector: str = "") -> Item:
    """Return a parameter as Systems Manager shows it."""
    # AWS's own belong to no account.
    owner = ctx.owner_id if name.startswith(OWN) else ""
    return known(
        Name=name,
        Type="String",
        Value=ec2_id("ami", row["id"]),
        Version=int(VERSION),
        Selector=f":{selector}" if selector else None,
        LastModifiedDate=moment(row.get("created")),
        ARN=f"arn:aws:ssm:{ctx.settings.region}:{owner}:parameter{name}",
        DataType="aws:ec2:image",
    )


def _matcher(ctx: Context, name: str) -> Callable[[Row], bool]:
    """Return what tells whether a parameter stands for a template."""
    if name.startswith(OWN):
        return _own_matcher(ctx, name.removeprefix(OWN))
    table = ctx.mappings.parameters
    row = table.by_name.get(name)
    if row is None:
        return lambda _: False
    wanted = table.architecture(name)
    return lambda template: (
        _is_trusted(ctx, template)
        and wanted in (None, architecture(template))
        and table.stands_for(row, template["name"])
    )


def _own_matcher(ctx: Context, rest: str) -> Callable[[Row], bool]:
    if owned := _OWNER.fullmatch(rest):
        owner, title = owned[1], _fit(owned[2])
        return lambda template: owner_of(template) == owner and _fit(template["name"]) == title
    return lambda template: _is_trusted(ctx, template) and _fit(template["name"]) == _fit(rest)


def _fit(name: str) -> str:
    """Return a template's name as a part of a parameter's, which has neither spaces nor brackets."""
    return _UNFIT.sub("-", name).strip("-")


def _is_trusted(ctx: Context, row: Row) -> bool:
    return bool(row.get("isfeatured")) or owner_of(row) == ctx.owner_id


def _is_known(ctx: Context, name: str) -> bool:
    return name.startswith(OWN) or name in ctx.mappings.parameters.by_name


def _why_unknown(name: str) -> str:
    amazon = (
        " No template is taken for Amazon Linux by itself." if "/ami-amazon-linux-latest/" in name else ""
    )
    return (
        f"The parameter {name} stands for no image here.{amazon} Name one of this cloud's by {OWN}NAME, the name of its"
        f" template (list them with GetParametersByPath, Path {OWN.rstrip('/')}); or ask the operator to map the"
        " parameter to a template, in parameters.yaml of the setting mappings."
    )


def _why_empty(name: str) -> str:
    nothing = (
        f"The parameter {name} stands for no image: no template that is ready, and that the operator features or you"
        " own, has"
    )
    if name.startswith(OWN):
        return f"{nothing} this name. Another account's is {OWN}OWNER-ID/NAME."
    return (
        f"{nothing} a name that the operator's table of parameters gives it. Name one by {OWN}NAME instead."
    )


def _missing(sentence: str) -> Ec2Error:
    return Ec2Error("ParameterNotFound", sentence)
