"""Why a request failed, in words."""

from __future__ import annotations

from .private_addresses import PrivateAddressError

# By what an error's name and text hold; the first that fits.
REASONS = {
    "certificate verify failed": "its certificate is not trusted",
    "SSLError": "no secure connection to it can be made",
    "ProxyAddressError": (
        "the proxy's address, in HTTP_PROXY or the system's settings, cannot be used"
    ),
    "ProxyError": "the proxy refuses",
    "NameResolutionError": "its host name is not known",
    "Connection refused": "it refuses the connection",
    "actively refused": "it refuses the connection",
    "Timeout": "it took too long",
    "timed out": "it took too long",
    "BadStatusLine": "it does not answer as web servers do",
    "too many redirects": "it redirects again and again",
    "redirects again": "it redirects again and again",
    "no web address": "it redirects to what is no web address",
    "out of its bucket": "its address may lead out of its storage bucket",
    "LocationParseError": "its address is none that can be asked",
    "LocationValueError": "its address is none that can be asked",
    "too many": "it answers errors again and again",
    "web page": "it sends a web page instead of the file",
    "something else": "it sends something else instead of the file",
    "a part instead": "it sends only a part of the file",
    "another range": "it sends other bytes than it is asked for",
    "another one then": "it sends one version of the file now, and another one then",
    "too little": "it sends too little at a time",
}


def reason_in_words(error: BaseException) -> str:
    """Why a request failed, short enough for a sentence."""
    if isinstance(error, PrivateAddressError):
        return error.reason
    text = f"{type(error).__name__} {error}"
    found = (words for mark, words in REASONS.items() if mark in text)
    return next(found, "the connection broke")
