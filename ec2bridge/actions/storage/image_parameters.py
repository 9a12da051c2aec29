"""ssm:GetParameter, GetParameters and GetParametersByPath: the parameters that stand for an image.

Terraform modules, CDK and many scripts ask Systems Manager for an image's id before they ask EC2 for anything. Nothing
else of Systems Manager has a place in CloudStack, and so nothing else is served.
"""

from typing import Any

from ec2bridge.ec2 import page_tokens
from ec2bridge.ec2.context import Context
from ec2bridge.ec2.registry import action
from ec2bridge.errors import Ec2Error
from ec2bridge.resources.images import parameters

_IGNORES = {"WithDecryption": "no parameter is encrypted here"}
_MOST = 10


@action("GetParameter", service="ssm", honours=("Name",), ignores=_IGNORES, native=("listTemplates",))
async def get_parameter(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return one parameter with the id of the image that it stands for at the moment."""
    return {"Parameter": await parameters.parameter(ctx, request["Name"])}


@action("GetParameters", service="ssm", honours=("Names",), ignores=_IGNORES, native=("listTemplates",))
async def get_parameters(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of up to ten names, and those names that stand for nothing."""
    names = request["Names"]
    if len(set(names)) < len(names):
        raise Ec2Error(
            "ValidationException", f"Duplicate parameters are not allowed in one request: {names}."
        )
    found, invalid = [], []
    rows = await parameters.templates(ctx)
    for name in names:
        try:
            found.append(parameters.parameter_of(ctx, rows, name))
        except Ec2Error as error:
            if not error.code.startswith("Parameter"):
                raise
            invalid.append(name)
    return {"Parameters": found, "InvalidParameters": invalid}


@action(
    "GetParametersByPath",
    service="ssm",
    honours=("Path", "Recursive"),
    ignores=_IGNORES,
    native=("listTemplates",),
)
async def get_parameters_by_path(ctx: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters below a path that stand for an image, ten at most at a time."""
    path = request["Path"]
    if not path.startswith("/"):
        raise Ec2Error("ValidationException", f"The path {path} does not begin with a slash.")
    above, recursive = f"{path.rstrip('/')}/", request.get("Recursive")
    token = request.get("NextToken")
    place = page_tokens.read(ctx.credentials.secret_key, request, token) if token else ""
    rows = await parameters.templates(ctx)
    names = [
        name
        for name in parameters.names(ctx, rows)
        if name > place and name.startswith(above) and (recursive or "/" not in name[len(above) :])
    ]
    size = request.get("MaxResults") or _MOST
    page: list[dict[str, Any]] = []
    for name in names:
        row = parameters.find(ctx, rows, name)
        if row is not None and len(page) == size:
            token = page_tokens.make(ctx.credentials.secret_key, request, page[-1]["Name"])
            return {"Parameters": page, "NextToken": token}
        if row is not None:
            page.append(parameters.item(ctx, name, row))
    return {"Parameters": page}
