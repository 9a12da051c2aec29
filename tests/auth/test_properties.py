"""Whatever botocore signs is verified, and whatever is changed afterwards is not."""

import asyncio
from dataclasses import replace
from urllib.parse import quote, unquote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given, settings
from hypothesis import strategies as st

from ec2bridge.auth import query, sigv4
from ec2bridge.auth.verify import RawRequest
from ec2bridge.errors import Ec2Error
from tests.auth.signing import KEY, SECRET, check, presigned_v4, signed_v2, signed_v4

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PARAMS = st.dictionaries(TEXT.filter(bool).map("p".__add__), TEXT, min_size=1, max_size=8)
SIGNERS = st.sampled_from(
    (
        signed_v4,
        signed_v2,
        presigned_v4,
        lambda params: signed_v4(params, method="GET"),
        lambda params: signed_v2(params, method="GET"),
    )
)
ESCAPES = st.lists(
    st.sampled_from(("%00", "%0a", "%3D", "%c3%A9", "%25", "=", "==", "\r\n", "\n", " ", "_", "a", "é"))
)
PATHS = st.text(st.sampled_from("/.ab~%20é+:@"), max_size=12).map("/".__add__)


def verified(request: RawRequest):
    return asyncio.run(check(request))


@given(SIGNERS, PARAMS)
def test_what_botocore_signs_is_verified(sign, params):
    assert verified(sign(params)).form[: len(params)] == list(params.items())


@given(PATHS, PARAMS)
def test_paths_are_canonical_as_botocore_has_them(path, params):
    signer = SigV4Auth(BotoCredentials(KEY, SECRET), "ec2", "here")
    request = AWSRequest("GET", f"http://here{path}")
    ours = sigv4.canonical_request("GET", path, [], "", "", "")
    assert ours.split("\n")[1] == signer.canonical_request(request).split("\n")[1]


@given(PARAMS)
def test_queries_are_canonical_as_botocore_has_them(params):
    signer = SigV4Auth(BotoCredentials(KEY, SECRET), "ec2", "here")
    theirs = signer.canonical_query_string(AWSRequest("GET", "http://here/", params=params))
    assert sigv4.canonical_query(list(params.items())) == theirs
    assert sorted(query.parse(theirs)) == sorted(params.items())


@given(SIGNERS, PARAMS, st.integers(0), st.sampled_from("aZ07_~%é"))
@settings(max_examples=200)
def test_a_change_of_one_character_is_refused(sign, params, place, new):
    request = sign(params)
    text = request.query or request.body.decode()
    place %= len(text)
    changed = text[:place] + new + text[place + 1 :]
    # A version 4 body is signed byte for byte; elsewhere two spellings of one meaning are the same.
    if changed == text or (sign is not signed_v4 and same_meaning(text, changed)):
        return
    part = {"query": changed} if request.query else {"body": changed.encode()}
    with pytest.raises(Ec2Error):
        verified(replace(request, **part))


def same_meaning(text: str, other: str) -> bool:
    """Two spellings of one query: ~ and %7E, for example, or + and %20."""
    try:
        return query.parse(text) == query.parse(other)
    except Ec2Error:
        return False


@given(PARAMS, st.data())
def test_a_change_of_one_character_in_a_header_is_refused(params, data):
    request = signed_v4(params)
    name = data.draw(st.sampled_from(("Host", "X-Amz-Date", "Authorization", "Content-Type")))
    headers = dict(request.headers)
    places = [place for place, char in enumerate(headers[name]) if char != " "]
    place = data.draw(st.sampled_from(places))
    new = data.draw(st.sampled_from("aZ07/=,;é").filter(lambda char: char != headers[name][place]))
    headers[name] = headers[name][:place] + new + headers[name][place + 1 :]
    with pytest.raises(Ec2Error):
        verified(replace(request, headers=tuple(headers.items())))


@given(
    st.text(max_size=20),
    st.text(max_size=40),
    st.dictionaries(
        st.sampled_from(["Host", "Authorization", "Date", "X-Amz-Date", "Content-Type"]), st.text()
    ),
    st.binary(max_size=40),
)
def test_rubbish_is_refused_and_breaks_nothing(path, query_string, headers, body):
    request = RawRequest("POST", "/" + path, query_string, tuple(headers.items()), body)
    with pytest.raises(Ec2Error):
        verified(request)


@given(st.text(max_size=60), st.text(max_size=20))
def test_rubbish_in_an_authorization_header_breaks_nothing(text, date):
    authorization = f"AWS4-HMAC-SHA256 Credential={text}, SignedHeaders=host, Signature={text}"
    headers = (("Host", "here"), ("Authorization", authorization), ("X-Amz-Date", date))
    with pytest.raises(Ec2Error):
        verified(RawRequest("POST", "/", "", headers, b""))


@given(ESCAPES.map("".join))
def test_escapes_are_read_as_urllib_reads_them(text):
    [(_, value)] = query.parse(f"name={text}")
    assert value == unquote(text, errors="strict")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_encoding_is_that_of_rfc_3986(text):
    assert query.encode(text) == quote(text, safe="")
