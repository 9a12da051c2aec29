"""Signers of real clients, and what they signed as it comes off the wire."""

from datetime import UTC, datetime
from urllib.parse import quote, urlencode, urlsplit

from botocore.auth import SigV2Auth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from ec2bridge.auth.verify import RawRequest, Verified, verify
from ec2bridge.cloudstack.credentials import Credentials

KEY = "MQSOZPQJmnoKh50smmj95NAbM7Ksf9_ja9962wVovqNvOBVX5bGefka-eEoigBrhIESwshLUE70g0gAUoWqqSw"
SECRET = "Svlxntx4XfkIQoyfJXQwf5GIyPX4nLvsfyUDbZ4jOFtx5gs6VaQvkRBfebBjKV5rbW_XGrgxFY5yvi5K08skDw"
PROJECT = "24efeb04-ee66-439d-a5bc-6e889037861a"
FORM = "application/x-www-form-urlencoded; charset=utf-8"
PARAMS = {"Action": "DescribeRegions", "Version": "2016-11-15"}


class Keys:
    """A source of secrets with the keys that it is given."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = secrets or {KEY: SECRET, f"{KEY}:{PROJECT}": SECRET}

    async def lookup(self, access_key):
        secret = self.secrets.get(access_key)
        return secret and Credentials(access_key, access_key.partition(":")[0], secret)

    def forget(self, access_key):
        self.secrets.pop(access_key, None)

    async def identify(self, credentials, account):
        raise AssertionError("nobody asked")


def now() -> datetime:
    return datetime.now(UTC)


async def check(request: RawRequest, **options) -> Verified:
    """Verify a request now, against the keys of this file."""
    return await verify(request, options.pop("keys", Keys()), now=options.pop("at", now()), **options)


def on_the_wire(request: AWSRequest, host: str | None = None) -> RawRequest:
    """What a server sees of a request that botocore has signed and prepared."""
    prepared = request.prepare()
    url = urlsplit(prepared.url)
    headers = [
        (name, value.decode() if isinstance(value, bytes) else value)
        for name, value in prepared.headers.items()
    ]
    if "host" not in (name.lower() for name, _ in headers):
        headers.insert(0, ("Host", host or url.netloc))
    body = prepared.body or b""
    return RawRequest(
        prepared.method,
        url.path or "/",
        url.query,
        tuple(headers),
        body.encode() if isinstance(body, str) else body,
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def signed_v4(
    params=PARAMS,
    *,
    method="POST",
    url="http://127.0.0.1:8788/",
    key=KEY,
    secret=SECRET,
    region="cloudstack",
    service="ec2",
    headers=(),
    token=None,
) -> RawRequest:
    """A request as boto3 and awscli sign it: SigV4 in the header, the parameters in a form body or a query string."""
    body = urlencode(params)
    if method == "GET":
        request = AWSRequest("GET", f"{url}?{urlencode(params, quote_via=quote)}", headers=dict(headers))
    else:
        request = AWSRequest(method, url, headers={"Content-Type": FORM, **dict(headers)}, data=body)
    SigV4Auth(BotoCredentials(key, secret, token), service, region).add_auth(request)
    return on_the_wire(request)


def presigned_v4(
    params=PARAMS, *, url="http://127.0.0.1:8788/", expires=3600, key=KEY, secret=SECRET
) -> RawRequest:
    """A URL as boto3's generate_presigned_url makes it."""
    request = AWSRequest("GET", f"{url}?{urlencode(params, quote_via=quote)}")
    SigV4QueryAuth(BotoCredentials(key, secret), "ec2", "cloudstack", expires=expires).add_auth(request)
    return on_the_wire(request)


def signed_v2(
    params=PARAMS, *, method="POST", url="http://127.0.0.1:8788/", key=KEY, secret=SECRET
) -> RawRequest:
    """A request as botocore signs it with SigV2."""
    request = AWSRequest(method, url, headers={"Content-Type": FORM} if method == "POST" else {})
    if method == "POST":
        request.data = dict(params)
    else:
        request.params = dict(params)
    SigV2Auth(BotoCredentials(key, secret)).add_auth(request)
    return on_the_wire(request)
