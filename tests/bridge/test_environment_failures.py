"""What installers say, and what the analyst is told."""

import pytest
from fairweather.core.bridge.environment.failures import recognise_failure

OS_ERROR = "ERROR: Could not install packages due to an OSError:"
OUTPUTS = [
    (
        "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(...: "
        "Failed to establish a new connection: [Errno 111] Connection refused')': /simple/uv/\n"
        "ERROR: No matching distribution found for uv==0.13.9\n",
        "cannot be reached",
    ),
    (
        "error: Request failed after 3 retries\n  Caused by: dns error: failed to lookup",
        "cannot be",
    ),
    (
        "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.\n",
        "its hash differs",
    ),
    ("  × Failed to download `affine==3.0.1`\n  ╰─▶ Hash mismatch for `affine==3.0.1`", "its hash"),
    ("ERROR: Could not install packages: [Errno 28] No space left on device", "disk filled up"),
    ("error: failed to write: There is not enough space (os error 112)", "disk filled up"),
    ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "PIP_CERT"),
    ("invalid peer certificate: UnknownIssuer", "PIP_CERT"),
    ("ERROR: 403 Client Error: Forbidden for url: https://x", "refuses access"),
    # What pip says of HTTPS_PROXY or PIP_INDEX_URL with a sign in it that is to be escaped.
    (f"{OS_ERROR} Failed to parse: http://me:pa/SECRET@proxy.example:80", "written as %2F"),
    (f"{OS_ERROR} Failed to parse: me@corp.example:SECRET#1@proxy.example", "written as %2F"),
    (f"{OS_ERROR} Invalid URL 'http:/me:SECRET@a.example/uv/': No host supplied", "written as %2F"),
    (f"{OS_ERROR} Please check proxy URL. It is malformed and could be", "written as %2F"),
    (f"{OS_ERROR} Proxy URL had unsupported scheme foo, should use http://", "written as %2F"),
    ("ValueError: Port could not be cast to integer value as 'SECRET'", "written as %2F"),
    ("ValueError: Invalid IPv6 URL", "written as %2F"),
    ("ERROR: No matching distribution found for rasterio==1.5.2", "no ready-made package"),
    ("cause: Because rasterio==1.5.2 has no usable wheels", "no ready-made package"),
]


@pytest.mark.parametrize(("output", "words"), OUTPUTS)
def test_known_failures_become_one_sentence(output, words):
    sentence = recognise_failure(output).sentence
    assert words in sentence
    assert "\n" not in sentence
    assert "SECRET" not in sentence


def test_only_a_missing_wheel_or_an_unknown_failure_is_tried_again_with_pip():
    assert not recognise_failure("No matching distribution found").is_final
    assert not recognise_failure("something new").is_final
    assert recognise_failure("Connection refused").is_final
    assert recognise_failure("Hash mismatch").is_final


@pytest.mark.parametrize("password", ["secret", "pa/secret", "1/secret", "a@b:secret"])
def test_passwords_are_not_repeated(password):
    sentence = recognise_failure(
        f"error: odd answer of https://me:{password}@example.org/simple"
    ).sentence
    assert "secret" not in sentence
    assert "example.org" in sentence


def test_a_file_that_cannot_be_parsed_is_no_address():
    output = "error: Failed to parse: `/etc/uv/uv.toml`"
    assert "uv.toml" in recognise_failure(output).sentence
