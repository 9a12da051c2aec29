"""The IAM instance profile that a client names for a machine.

CloudStack has no roles for machines, and its metadata service gives nobody credentials. So a profile is refused by
name, unless the operator's settings say `iam_instance_profiles = "ignore"`: then it is kept in a reserved tag and told
again, for configurations that name one and need nothing of it. Whether there is such a profile is nobody's to say.
"""

import base64
import hashlib
import logging
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.tags import resource_tags

log = logging.getLogger(__name__)

Row = Mapping[str, Any]
Item = dict[str, Any]

MARK = "instance-profile"
"""Reserved tag on a machine (without prefix): the profile's ARN and, if it came after the launch, when that was."""
LONGEST = 200
"""Characters of an ARN: CloudStack's tags hold 255, and the time has its place beside it."""
_NAME = re.compile(r"[\w+=,.@-]{1,128}", re.ASCII)
_ARN = re.compile(r"arn:[a-z-]+:iam::[0-9]{12}:instance-profile/(?:[!-.0-~]+/)*[\w+=,.@-]{1,128}", re.ASCII)


def asked(ctx: Context, given: Mapping[str, Any] | None) -> str:
    """Return the ARN of the profile that a request names, "" where it names none; refused unless settings say so."""
    named = {name: str(given[name]) for name in ("Arn", "Name") if given.get(name)} if given else {}
    if not named:
        return ""
    if len(named) > 1:
        raise Ec2Error(
            "InvalidParameterCombination",
            "The parameter 'iamInstanceProfile.name' may not be used in combination with 'iamInstanceProfile.arn'",
        )
    [(member, value)] = named.items()
    if ctx.settings.iam_instance_profiles == "refuse":
        if not ctx.settings.lenient:
            raise Ec2Error(
                "UnsupportedOperation",
                f"The parameter IamInstanceProfile.{member} with the value '{value}' is not supported by"
                f" {ctx.operation}: CloudStack has no IAM roles; give what runs in the machine an access key of its own"
                " instead. A bridge with the setting iam_instance_profiles = ignore keeps the profile's name.",
            )
        log.warning("%s: the parameter IamInstanceProfile is not supported and was ignored", ctx.operation)
        return ""
    if not (_NAME if member == "Name" else _ARN).fullmatch(value):
        what = "name" if member == "Name" else "ARN"
        raise _invalid(member, value, f"Invalid IAM Instance Profile {what}")
    arn = value if member == "Arn" else f"arn:aws:iam::{ctx.owner_id}:instance-profile/{value}"
    if len(arn) > LONGEST:
        raise _invalid(member, value, f"An ARN of more than {LONGEST} characters cannot be kept here")
    return arn


def told(row: Row) -> Item | None:
    """Return the profile of a machine as DescribeInstances tells it."""
    arn = resource_tags.marked(row, MARK).partition(" ")[0]
    return {"Arn": arn, "Id": _id(arn)} if arn else None


def association(row: Row, instance: str, state: str = "associated") -> Item | None:
    """Return what ties a machine to its profile; each association has an id of its own."""
    mark = resource_tags.marked(row, MARK)
    if not mark:
        return None
    since = mark.partition(" ")[2]
    digits = hashlib.sha256(f"{row['id']}/{mark}".encode()).hexdigest()[:17]
    return {
        "AssociationId": f"iip-assoc-{digits}",
        "InstanceId": instance,
        "IamInstanceProfile": told(row),
        "State": state,
        "Timestamp": _moment(since) or datetime.fromisoformat(row["created"]),
    }


def _moment(text: str) -> datetime | None:
    """Read the time in a mark, which the machine's owner can write over in CloudStack."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def names(item: Item) -> list[str]:
    """The name of a translated machine's profile, for filters."""
    profile = item.get("IamInstanceProfile")
    return [profile["Arn"].rpartition("/")[2]] if profile else []


def _id(arn: str) -> str:
    """Return an id of the shape of IAM's: the same for the same profile."""
    return "AIPA" + base64.b32encode(hashlib.sha256(arn.encode()).digest()).decode()[:17]


def _invalid(member: str, value: str, why: str) -> Ec2Error:
    return Ec2Error(
        "InvalidParameterValue",
        f"Value ({value}) for parameter iamInstanceProfile.{member.lower()} is invalid. {why}",
    )
