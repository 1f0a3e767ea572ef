"""Why a download failed is told in a few words, from what pip and npm really say."""

from __future__ import annotations

import pytest

from tracker.model_sources import _npm_reason, _pip_reason

REFUSED = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by '{}': /simple/mediapipe/\nERROR: Could not find a version that satisfies the "
    "requirement mediapipe==0.10.21 (from versions: none)\n"
    "ERROR: No matching distribution found for mediapipe==0.10.21\n"
)
CONNECTION = "NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at 0x7f2b>: {}')"


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            REFUSED.format(
                CONNECTION.format("Failed to establish a new connection: [Errno 111] Connection refused")
            ),
            "Connection refused",
        ),
        (
            REFUSED.format(
                "ProxyError('Cannot connect to proxy.', "
                + CONNECTION.format("Failed to establish a new connection: [Errno 111] Connection refused")
                + ")"
            ),
            "Connection refused by the proxy",
        ),
        (
            REFUSED.format(
                "ReadTimeoutError(\"HTTPConnectionPool(host='127.0.0.1', port=9099): Read timed out.\")"
            ),
            "timed out",
        ),
        (
            REFUSED.format(
                "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify "
                "failed: unable to get local issuer certificate (_ssl.c:1002)'))"
            ),
            "certificate verify failed: unable to get local issuer certificate",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement mediapipe==0.10.21 "
            "(from versions: none)\nERROR: No matching distribution found for mediapipe==0.10.21\n",
            "found no such package, or no index",
        ),
        (
            "ERROR: Could not find a version that satisfies the requirement mediapipe==0.10.21 "
            "(from versions: 0.10.20)\nERROR: No matching distribution found for mediapipe==0.10.21\n",
            "No matching distribution found for mediapipe==0.10.21",
        ),
        ("/usr/bin/python3: No module named pip\n", "not installed in this Python"),
        ("", ""),
    ],
)
def test_pip_is_understood(told, reason):
    assert _pip_reason(told) == reason


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        (
            "npm error code ECONNREFUSED\nnpm error syscall connect\nnpm error errno ECONNREFUSED\n"
            "npm error FetchError: request to http://127.0.0.1:9/@mediapipe%2fpose failed, "
            "reason: connect ECONNREFUSED 127.0.0.1:9\nnpm error     at ClientRequest.<anonymous>\n",
            "connect ECONNREFUSED 127.0.0.1:9",
        ),
        (  # older npm
            "npm ERR! code E404\nnpm ERR! 404 Not Found - GET http://127.0.0.1/@mediapipe%2fpose\n",
            "404 Not Found - GET http://127.0.0.1/@mediapipe%2fpose",
        ),
        (
            "/usr/bin/env: 'node': No such file or directory\n",
            "/usr/bin/env: 'node': No such file or directory",
        ),
        ("", ""),
    ],
)
def test_npm_is_understood(told, reason):
    assert _npm_reason(told) == reason
