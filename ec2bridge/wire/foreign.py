"""Requests of other AWS services, which a client sends here when it is told of one endpoint for all of them.

They are refused in the protocol that the client speaks, since EC2's XML is an empty error to a client of Systems
Manager or S3: AWS's JSON with `__type`, REST with JSON or with S3's XML, or the query protocol's XML.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ec2bridge.wire.model import aws_services, operation
from ec2bridge.wire.render import DECLARATION, escaped

OURS = frozenset({"ec2", "sts"})
REST_XML = frozenset({"route53", "cloudfront", "s3-control"})
"""Services whose errors are XML though they name no action; S3's are of their own form."""

_OF_SSM = (
    "of SSM only GetParameter, GetParameters and GetParametersByPath, by AmazonSSM's JSON, for parameters that stand"
    " for an image"
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer in another service's protocol."""

    service: str
    code: str
    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes


def refusal(
    service: str, action: str, *, target: str, content_type: str, path: str, request_id: str
) -> Refusal | None:
    """Return the answer to a request of another service; None for EC2's and STS's own.

    `service` is what the signature names, `target` the header X-Amz-Target; each is empty where there is none.
    """
    if not target and (not service or service in OURS or _is_ours(service, action)):
        return None
    name = service if service and service not in OURS else target.partition(".")[0][:60]
    limits = _OF_SSM if target.startswith("AmazonSSM.") or name == "ssm" else f"no {name or 'other service'}"
    sentence = (
        f"This endpoint serves Amazon EC2 and STS for a CloudStack cloud, and {limits}. Set"
        " AWS_ENDPOINT_URL_EC2 and AWS_ENDPOINT_URL_STS (AWS_ENDPOINT_URL_SSM for images' parameters) to it instead of"
        " AWS_ENDPOINT_URL, which sends every service here."
    )
    if target:
        version = "1.1" if "1.1" in content_type else "1.0"
        return _json(name, sentence, f"application/x-amz-json-{version}")
    if service == "s3":
        return _s3(name, sentence, path, request_id)
    if action or service in REST_XML:
        return _query(name, sentence, request_id)
    return _json(name, sentence, "application/json")


def _is_ours(service: str, action: str) -> bool:
    """Whether a request is EC2's or STS's all the same: old clients sign odd names where the host is not AWS's.

    One of AWS's own services means itself, whatever its action is called: autoscaling has a DescribeTags, too.
    """
    return any(operation(action, ours) for ours in OURS) and service not in aws_services()


def _json(service: str, sentence: str, content_type: str) -> Refusal:
    code = "UnknownOperationException"
    body = json.dumps({"__type": code, "message": sentence}).encode()
    return Refusal(service, code, 400, content_type, {"x-amzn-ErrorType": code}, body)


def _s3(service: str, sentence: str, path: str, request_id: str) -> Refusal:
    body = (
        f"{DECLARATION}<Error><Code>NotImplemented</Code><Message>{escaped(sentence)}</Message>"
        f"<Resource>{escaped(path)}</Resource><RequestId>{escaped(request_id)}</RequestId></Error>"
    ).encode()
    return Refusal(service, "NotImplemented", 501, "application/xml", {"x-amz-request-id": request_id}, body)


def _query(service: str, sentence: str, request_id: str) -> Refusal:
    body = (
        f"{DECLARATION}<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code>"
        f"<Message>{escaped(sentence)}</Message></Error><RequestId>{escaped(request_id)}</RequestId></ErrorResponse>"
    ).encode()
    return Refusal(service, "InvalidAction", 400, "text/xml", {}, body)
