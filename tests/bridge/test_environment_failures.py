"""What installers say, and what the analyst is told."""

import pytest
from fairweather.core.bridge.environment.failures import recognise_failure

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
    ("ERROR: No matching distribution found for rasterio==1.5.2", "no ready-made package"),
    ("cause: Because rasterio==1.5.2 has no usable wheels", "no ready-made package"),
]


@pytest.mark.parametrize(("output", "words"), OUTPUTS)
def test_known_failures_become_one_sentence(output, words):
    sentence = recognise_failure(output).sentence
    assert words in sentence
    assert "\n" not in sentence


def test_only_a_missing_wheel_or_an_unknown_failure_is_tried_again_with_pip():
    assert not recognise_failure("No matching distribution found").is_final
    assert not recognise_failure("something new").is_final
    assert recognise_failure("Connection refused").is_final
    assert recognise_failure("Hash mismatch").is_final


def test_passwords_are_not_repeated():
    sentence = recognise_failure(
        "error: odd answer of https://me:secret@example.org/simple"
    ).sentence
    assert "secret" not in sentence
    assert "example.org" in sentence
