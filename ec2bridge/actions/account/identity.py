"""sts:GetCallerIdentity: who the caller is.

Terraform and Ansible ask it before anything else. A CloudStack account has a uuid and a name within a domain; AWS
knows it by 12 digits, which are made of those two (see `account_id`).
"""

from typing import Any

from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action


@action("GetCallerIdentity", service="sts")
async def get_caller_identity(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the account's digits, the user's uuid and an ARN that names both."""
    return {
        "Account": ctx.owner_id,
        "UserId": ctx.identity.user_id,
        "Arn": f"arn:aws:iam::{ctx.owner_id}:user/{ctx.identity.user_name}",
    }
