"""Every way in which a signature holds or fails, with AWS's code and status."""

import asyncio
import logging
import re
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from urllib.parse import quote

import pytest

from ec2bridge.auth import sigv2
from ec2bridge.auth.verify import RawRequest, verify
from ec2bridge.errors import Ec2Error
from tests.auth.signing import (
    KEY,
    PARAMS,
    PROJECT,
    SECRET,
    Keys,
    check,
    now,
    presigned_v4,
    signed_v2,
    signed_v4,
)

SIGNERS = {
    "v4 in a header, POST": signed_v4,
    "v4 in a header, GET": lambda params=PARAMS, **how: signed_v4(params, method="GET", **how),
    "v4 presigned": presigned_v4,
    "v2, POST": signed_v2,
    "v2, GET": lambda params=PARAMS, **how: signed_v2(params, method="GET", **how),
}
all_signers = pytest.mark.parametrize("sign", SIGNERS.values(), ids=SIGNERS.keys())


async def refused(request: RawRequest, **options) -> tuple[str, int]:
    with pytest.raises(Ec2Error) as caught:
        await check(request, **options)
    return caught.value.code, caught.value.status


def header(request: RawRequest, name: str) -> str:
    return next(value for known, value in request.headers if known.lower() == name.lower())


def with_header(request: RawRequest, name: str, value: str | None) -> RawRequest:
    kept = tuple(pair for pair in request.headers if pair[0].lower() != name.lower())
    return replace(request, headers=kept if value is None else (*kept, (name, value)))


def edit_authorization(request: RawRequest, old: str, new: str) -> RawRequest:
    return with_header(request, "Authorization", re.sub(old, new, header(request, "Authorization")))


@all_signers
async def test_a_signed_request_is_verified_with_its_parameters_in_order(sign):
    params = {
        "Action": "DescribeTags",
        "Filter.1.Name": "tag:a b",
        "Filter.1.Value.1": "x+y~*/é☃",
        "Empty": "",
    }
    verified = await check(sign(params))
    assert verified.credentials.access_key == KEY
    assert verified.form[: len(params)] == list(params.items())


@all_signers
@pytest.mark.parametrize(
    "path", ["/", "/services/compute", "/services/compute/", "/a%20b/é", "//x/./y/../z/"]
)
async def test_any_path_is_verified_as_it_was_signed(sign, path):
    url = "http://127.0.0.1:8788" + quote(path, safe="/%")
    assert (await check(sign(url=url))).credentials.access_key == KEY


@all_signers
async def test_a_key_may_name_a_project(sign):
    verified = await check(sign(key=f"{KEY}:{PROJECT}"))
    assert verified.credentials.access_key == f"{KEY}:{PROJECT}"


@pytest.mark.parametrize(
    ("region", "service"), [("", "ec2"), ("0", "127"), ("undefined-29981", "sts"), ("x y", "é")]
)
async def test_any_scope_is_verified_as_it_was_signed(region, service):
    verified = await check(signed_v4(region=region, service=service))
    assert (verified.region, verified.service) == (region, service)


async def test_an_operator_may_insist_on_the_region():
    assert await check(signed_v4(region="here"), regions=frozenset(("here",)))
    refusal = await refused(signed_v4(region="there"), regions=frozenset(("here",)))
    assert refusal == ("SignatureDoesNotMatch", 403)


async def test_parameters_of_query_and_body_come_together():
    request = signed_v4(
        {"Action": "DescribeTags"}, url="http://127.0.0.1:8788/?Version=2016-11-15&A=1&A=0&A=1"
    )
    verified = await check(request)
    assert verified.form == [
        ("Version", "2016-11-15"),
        ("A", "1"),
        ("A", "0"),
        ("A", "1"),
        ("Action", "DescribeTags"),
    ]
    request = signed_v2({"Action": "DescribeTags"})
    await check(request)
    assert await refused(replace(request, query="Extra=1")) == ("SignatureDoesNotMatch", 403)


async def test_plus_and_percent_20_mean_the_same_in_a_query():
    request = signed_v4({"A": "one two"}, method="GET")
    assert "one%20two" in request.query
    verified = await check(replace(request, query=request.query.replace("%20", "+")))
    assert verified.form == [("A", "one two")]


async def test_blanks_in_a_header_count_as_one():
    request = signed_v4(headers={"X-Note": "one two"})
    assert await check(with_header(request, "X-Note", "  one \t  two "))
    assert await refused(with_header(request, "X-Note", "onetwo")) == ("SignatureDoesNotMatch", 403)


async def test_a_date_header_does_in_place_of_x_amz_date():
    request = signed_v4(headers={"Date": format_datetime(now(), usegmt=True)})
    assert "X-Amz-Date" not in dict(request.headers)
    assert await check(request)


@pytest.mark.parametrize("port", [80, 443])
async def test_a_default_port_may_be_sent_and_left_out_of_the_signature(port):
    request = signed_v4(url="http://cloud.example/")
    assert header(request, "Host") == "cloud.example"
    assert await check(with_header(request, "Host", f"cloud.example:{port}"))
    assert await refused(with_header(request, "Host", "cloud.example:8788")) == ("SignatureDoesNotMatch", 403)


async def test_version_2_signs_the_host_with_or_without_its_port():
    request = signed_v2(url="http://Cloud.Example:8788/")
    assert await check(request)
    assert await check(with_header(signed_v2(url="http://cloud.example/"), "Host", "Cloud.Example:8788"))
    assert await refused(with_header(request, "Host", "other.example:8788")) == ("SignatureDoesNotMatch", 403)


async def test_version_2_with_an_expiry_instead_of_a_date():
    def signed(expires):
        stamp = (now() + expires).strftime("%Y-%m-%dT%H:%M:%SZ")
        pairs = [("Action", "DescribeRegions"), ("AWSAccessKeyId", KEY), ("SignatureVersion", "2")]
        pairs += [("SignatureMethod", "HmacSHA1"), ("Expires", stamp)]
        text = sigv2.string_to_sign("GET", "here", "/", pairs)
        pairs.append(("Signature", sigv2.signature(SECRET, text, "HmacSHA1")))
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)
        return RawRequest("GET", "/", query, (("Host", "here"),), b"")

    assert await check(signed(timedelta(days=3)))
    assert await refused(signed(timedelta(seconds=-2))) == ("RequestExpired", 400)


class TestTime:
    @all_signers
    @pytest.mark.parametrize("late", [timedelta(minutes=14), timedelta(minutes=-14)])
    async def test_a_clock_may_differ_by_a_quarter_of_an_hour(self, sign, late):
        assert await check(sign(), at=now() + late)

    @pytest.mark.parametrize("late", [timedelta(minutes=16), timedelta(minutes=-16), timedelta(days=400)])
    @pytest.mark.parametrize("sign", [signed_v4, signed_v2])
    async def test_but_not_by_more(self, sign, late):
        assert await refused(sign(), at=now() + late) == ("RequestExpired", 400)

    async def test_a_presigned_request_holds_until_it_expires(self):
        request = presigned_v4(expires=604800)
        assert await check(request, at=now() + timedelta(days=6))
        for at in (now() + timedelta(days=7, minutes=1), now() - timedelta(minutes=16)):
            assert await refused(request, at=at) == ("RequestExpired", 400)
        assert await refused(presigned_v4(expires=1), at=now() + timedelta(seconds=3)) == (
            "RequestExpired",
            400,
        )

    @pytest.mark.parametrize("expires", ["0", "-1", "604801", "1.5", "soon", "", "٣"])
    async def test_an_expiry_out_of_range_is_refused(self, expires):
        request = presigned_v4()
        query = request.query.replace("X-Amz-Expires=3600", f"X-Amz-Expires={quote(expires)}")
        assert await refused(replace(request, query=query)) == ("IncompleteSignature", 400)

    @pytest.mark.parametrize(
        "date", ["yesterday", "20261341T000000Z", "2026-11-23", "0", "Mon, 99 Foo 2026", "é"]
    )
    async def test_a_date_that_is_none(self, date):
        assert await refused(with_header(signed_v4(), "X-Amz-Date", date)) == ("IncompleteSignature", 400)
        request = signed_v2({**PARAMS}, method="GET")
        query = re.sub("Timestamp=[^&]*", "Timestamp=" + quote("x" + date), request.query)
        assert await refused(replace(request, query=query)) == ("IncompleteSignature", 400)

    @pytest.mark.parametrize("date", ["00010101T000000Z", "99991231T235959Z"])
    async def test_dates_at_the_ends_of_the_calendar(self, date):
        assert await refused(with_header(signed_v4(), "X-Amz-Date", date)) == ("RequestExpired", 400)


class TestMissing:
    async def test_no_signature_at_all(self):
        request = RawRequest("POST", "/", "", (("Host", "here"),), b"Action=DescribeRegions")
        assert await refused(request) == ("MissingAuthenticationToken", 403)
        assert await refused(replace(request, method="GET", body=b"")) == ("MissingAuthenticationToken", 403)

    @pytest.mark.parametrize("part", ["Credential", "SignedHeaders", "Signature"])
    async def test_a_part_of_the_header(self, part):
        request = edit_authorization(signed_v4(), f"{part}=[^,]+(, )?", "")
        with pytest.raises(Ec2Error, match=f"Authorization header requires '{part}' parameter"):
            await check(request)

    @pytest.mark.parametrize(
        "value", ["Basic YTpi", "Bearer x", "AWS4-HMAC-SHA1 Credential=a", "AWS a:b", "x"]
    )
    async def test_another_algorithm(self, value):
        assert await refused(with_header(signed_v4(), "Authorization", value)) == ("IncompleteSignature", 400)

    async def test_the_date(self):
        assert await refused(with_header(signed_v4(), "X-Amz-Date", None)) == ("IncompleteSignature", 400)

    @pytest.mark.parametrize(
        "part", ["Algorithm", "Credential", "Date", "Expires", "SignedHeaders", "Signature"]
    )
    async def test_a_part_of_a_presigned_query(self, part):
        request = presigned_v4()
        query = re.sub(f"&X-Amz-{part}=[^&]*", "", request.query)
        assert await refused(replace(request, query=query)) == ("IncompleteSignature", 400)

    @pytest.mark.parametrize(
        "part", ["AWSAccessKeyId", "Signature", "SignatureVersion", "SignatureMethod", "Timestamp"]
    )
    async def test_a_part_of_version_2(self, part):
        request = signed_v2()
        body = re.sub(rf"&{part}=[^&]*", "", request.body.decode())
        assert await refused(replace(request, body=body.encode())) == ("IncompleteSignature", 400)

    @pytest.mark.parametrize(
        ("old", "new", "code"),
        [
            ("SignatureVersion=2", "SignatureVersion=1", "InvalidParameterValue"),
            ("SignatureMethod=HmacSHA256", "SignatureMethod=HmacMD5", "InvalidParameterValue"),
            ("Timestamp=", "Expires=2030-01-01T00%3A00%3A00Z&Timestamp=", "InvalidParameterCombination"),
        ],
    )
    async def test_version_2_with_what_it_does_not_have(self, old, new, code):
        request = signed_v2()
        assert await refused(replace(request, body=request.body.decode().replace(old, new).encode())) == (
            code,
            400,
        )

    @pytest.mark.parametrize("credential", [KEY, f"{KEY}/20261123/r/ec2", f"{KEY}/1/2/3/4/5", "/1/2/3/4"])
    async def test_a_credential_without_a_full_scope(self, credential):
        request = edit_authorization(signed_v4(), "Credential=[^,]+", f"Credential={credential}")
        assert await refused(request) == ("IncompleteSignature", 400)

    async def test_the_host_must_be_signed(self):
        request = edit_authorization(signed_v4(), "host;", "")
        assert await refused(request) == ("SignatureDoesNotMatch", 403)

    async def test_signed_headers_must_arrive(self):
        request = with_header(signed_v4(headers={"X-Note": "1"}), "X-Note", None)
        with pytest.raises(Ec2Error, match="x-note"):
            await check(request)


class TestTampering:
    """A request changed in any part after it was signed."""

    @all_signers
    async def test_method_path_host_and_parameters(self, sign):
        request = sign()
        changed = [
            replace(request, method="PUT"),
            replace(request, path="/elsewhere"),
            with_header(request, "Host", "elsewhere"),
            replace(request, query=(request.query + "&Added=1").lstrip("&")),
        ]
        for tampered in changed:
            assert await refused(tampered) == ("SignatureDoesNotMatch", 403)

    @all_signers
    async def test_the_signature_itself(self, sign):
        request = sign()

        def other(found: re.Match) -> str:
            return found[1] + ("0" if found[2] != "0" else "1")

        where = r"((?:Signature|X-Amz-Signature)=)(.)"
        tampered = replace(
            request,
            query=re.sub(where, other, request.query),
            body=re.sub(where, other, request.body.decode()).encode(),
            headers=tuple((name, re.sub(where, other, value)) for name, value in request.headers),
        )
        assert tampered != request
        assert await refused(tampered) == ("SignatureDoesNotMatch", 403)

    @all_signers
    async def test_the_secret(self, sign):
        assert await refused(sign(secret=SECRET[:-1] + "x")) == ("SignatureDoesNotMatch", 403)

    async def test_each_byte_of_the_body(self):
        request = signed_v4()
        for place in range(len(request.body)):
            byte = b"x" if request.body[place : place + 1] != b"x" else b"y"
            tampered = replace(request, body=request.body[:place] + byte + request.body[place + 1 :])
            assert await refused(tampered) == ("SignatureDoesNotMatch", 403)

    async def test_a_header_that_is_signed_twice(self):
        # Each mention would stand for all of the header, and a few bytes make megabytes to be hashed.
        request = edit_authorization(signed_v4(), "SignedHeaders=", "SignedHeaders=host;host;")
        with pytest.raises(Ec2Error, match="named twice"):
            await check(request)

    async def test_each_signed_header(self):
        request = signed_v4(headers={"X-Note": "1"})
        for name, value in (("X-Note", "2"), ("Content-Type", "application/x-www-form-urlencoded")):
            assert await refused(with_header(request, name, value)) == ("SignatureDoesNotMatch", 403)
        doubled = replace(request, headers=(*request.headers, ("X-Note", "1")))
        assert await refused(doubled) == ("SignatureDoesNotMatch", 403)
        later = (now() + timedelta(seconds=5)).strftime("%Y%m%dT%H%M%SZ")
        assert await refused(with_header(request, "X-Amz-Date", later)) == ("SignatureDoesNotMatch", 403)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("/cloudstack/", "/elsewhere/"),
            ("/ec2/", "/sts/"),
            ("aws4_request", "aws5_request"),
            (r"/\d{8}/", "/20200101/"),
        ],
    )
    async def test_each_part_of_the_scope(self, old, new):
        assert await refused(edit_authorization(signed_v4(), old, new)) == ("SignatureDoesNotMatch", 403)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("Action=Describe", "Action=describe"),
            ("X-Amz-Expires=3600", "X-Amz-Expires=3601"),
            ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=Host"),
            ("%2Fcloudstack%2F", "%2Felsewhere%2F"),
        ],
    )
    async def test_each_parameter_of_a_presigned_query(self, old, new):
        request = presigned_v4()
        assert old in request.query
        tampered = replace(request, query=request.query.replace(old, new))
        assert await refused(tampered) == ("SignatureDoesNotMatch", 403)

    async def test_a_header_scheme_signs_even_a_parameter_named_as_a_signature(self):
        request = signed_v4(method="GET")
        assert await refused(replace(request, query=request.query + "&X-Amz-Signature=0")) == (
            "SignatureDoesNotMatch",
            403,
        )


class TestKeys:
    @all_signers
    async def test_an_unknown_key(self, sign):
        with pytest.raises(Ec2Error, match="AWS was not able to validate the provided access credentials"):
            await check(sign(key="AKIDUNKNOWN"))
        assert await refused(sign(key="AKIDUNKNOWN")) == ("AuthFailure", 401)

    async def test_an_unknown_key_on_sts(self):
        assert await refused(signed_v4(key="AKID", service="sts")) == ("InvalidClientTokenId", 403)
        params = {"Action": "GetCallerIdentity", "Version": "2011-06-15"}
        assert await refused(signed_v2(params, key="AKID")) == ("InvalidClientTokenId", 403)

    async def test_session_tokens_cannot_be_valid(self):
        assert await refused(signed_v4(token="FwoGZXIvYXdz")) == ("AuthFailure", 401)
        assert await refused(signed_v4(token="FwoGZXIvYXdz", service="sts")) == ("InvalidClientTokenId", 403)
        assert await refused(signed_v2({**PARAMS, "SecurityToken": "x"})) == ("AuthFailure", 401)

    async def test_a_disabled_user_is_told_so_in_the_words_of_the_service(self):
        class Disabled(Keys):
            async def lookup(self, access_key):
                raise Ec2Error("AuthFailure", "The user of these credentials is disabled or locked.")

        assert await refused(signed_v4(), keys=Disabled()) == ("AuthFailure", 401)
        assert await refused(signed_v4(service="sts"), keys=Disabled()) == ("InvalidClientTokenId", 403)

    async def test_nothing_is_looked_up_for_a_request_that_cannot_hold(self):
        class Untouched(Keys):
            async def lookup(self, access_key):
                raise AssertionError("looked up")

        request = signed_v4()
        assert (await refused(request, keys=Untouched(), at=now() + timedelta(hours=1)))[
            0
        ] == "RequestExpired"
        assert (await refused(edit_authorization(request, "host;", ""), keys=Untouched()))[1] == 403


class TestPayload:
    @pytest.mark.parametrize("declared", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "0" * 64])
    async def test_a_body_must_be_what_its_declared_hash_says(self, declared):
        request = signed_v4(headers={"X-Amz-Content-SHA256": declared})
        with pytest.raises(Ec2Error, match="x-amz-content-sha256"):
            await check(request)

    async def test_an_unsigned_payload_that_is_empty(self):
        assert await check(signed_v4(method="GET", headers={"X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD"}))

    @pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "application/json", "text/xml"])
    async def test_a_body_that_is_no_form(self, kind):
        request = signed_v4(headers={"Content-Type": kind})
        assert await refused(request) == ("InvalidQueryParameter", 400)

    @pytest.mark.parametrize(
        "kind", [None, "application/x-www-form-urlencoded", "Application/X-WWW-Form-URLencoded;x"]
    )
    async def test_a_form_by_any_spelling(self, kind):
        request = with_header(signed_v2(), "Content-Type", kind)
        assert await check(request)

    @pytest.mark.parametrize("text", ["A=%", "A=%zz", "A=%4", "A=%ff", "%c3=1"])
    async def test_parameters_that_cannot_be_read(self, text):
        request = signed_v4()
        assert await refused(replace(request, query=text)) == ("MalformedQueryString", 404)
        assert await refused(replace(request, body=text.encode())) == ("MalformedQueryString", 404)

    async def test_a_body_and_a_query_that_are_no_utf_8(self):
        request = signed_v4()
        assert await refused(replace(request, body=b"A=\xff")) == ("MalformedQueryString", 404)
        assert await refused(replace(request, query="A=\udcff")) == ("MalformedQueryString", 404)


async def test_secrets_are_neither_shown_nor_logged(caplog):
    caplog.set_level(logging.DEBUG)
    request = signed_v4()
    verified = await verify(request, Keys(), now=now())
    await refused(edit_authorization(request, "Signature=.", "Signature=_"))
    assert SECRET not in repr(verified)
    assert "canonical request" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("name", ["Host", "Authorization", "X-Amz-Date", "Content-Type"])
async def test_bytes_that_are_no_text_in_a_header_are_refused_like_any_others(name):
    code, _ = await refused(with_header(signed_v4(), name, header(signed_v4(), name) + "\udcff"))
    assert code in ("SignatureDoesNotMatch", "IncompleteSignature")


@all_signers
@pytest.mark.parametrize("name", ["UserData", "LaunchTemplateData.UserData"])
async def test_what_the_model_calls_sensitive_is_not_logged(sign, name, caplog):
    caplog.set_level(logging.DEBUG, logger="ec2bridge")
    action = "CreateLaunchTemplate" if "." in name else "RunInstances"
    await check(sign({"Action": action, name: "aGlkZGVu", "KeyName": "shown", "Version": "2016-11-15"}))
    assert "aGlkZGVu" not in caplog.text
    assert ("KeyName=shown" in caplog.text) == (f"{name}=***" in caplog.text)


async def test_others_are_served_while_a_large_request_is_checked():
    """Two megabytes under a known key take a tenth of a second, whatever comes of them."""
    filling = "&".join(f"Filter.{number}.Value={'%20a' * 19}" for number in range(20_000))
    request = signed_v2({**PARAMS, "Filling": "x"})
    request = replace(request, body=request.body.replace(b"Filling=x", filling.encode()))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    assert await refused(request) == ("SignatureDoesNotMatch", 403)
    task.cancel()
    assert turns > 10


class TestJson:
    """A body of JSON, whose operation stands in a header: both are what was signed, or nothing is done."""

    TARGET = ("X-Amz-Target", "AmazonSSM.GetParameter")
    HEADERS = (("Content-Type", "application/x-amz-json-1.1"), TARGET)

    async def test_it_is_verified_and_has_no_parameters(self):
        verified = await check(signed_v4(headers=self.HEADERS, service="ssm"))
        assert (verified.form, verified.service) == ([], "ssm")

    async def test_another_body_or_another_operation_was_not_signed(self):
        request = signed_v4(headers=self.HEADERS, service="ssm")
        assert await refused(replace(request, body=b"{}")) == ("SignatureDoesNotMatch", 403)
        other = with_header(request, "X-Amz-Target", "AmazonSSM.GetParameters")
        assert await refused(other) == ("SignatureDoesNotMatch", 403)

    @all_signers
    async def test_an_operation_that_is_not_signed_is_refused(self, sign):
        assert await refused(with_header(sign(), *self.TARGET)) == ("SignatureDoesNotMatch", 403)

    async def test_json_without_an_operation_is_no_form(self):
        request = signed_v4(headers=self.HEADERS[:1])
        assert await refused(request) == ("InvalidQueryParameter", 400)
