"""Headers of every answer: what a browser may do with it."""

from __future__ import annotations

_CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        *("script-src 'self'", "style-src 'self'", "connect-src 'self'", "font-src 'self'"),
        *("img-src 'self' blob:", "media-src 'self' blob:", "manifest-src 'self'"),
        *("form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"),
        "require-trusted-types-for 'script'",
    )
)

Headers = list[tuple[bytes, bytes]]

SAFETY_HEADERS: Headers = [
    (name.encode(), value.encode())
    for name, value in {
        "content-security-policy": _CONTENT_SECURITY_POLICY,
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), microphone=(), geolocation=()",
    }.items()
]


def with_safety(headers: Headers) -> Headers:
    """Return headers with those that every answer has; answers are not kept unless they say so."""
    given = {name.lower() for name, _ in headers}
    kept = [] if b"cache-control" in given else [(b"cache-control", b"no-store")]
    return [*headers, *(each for each in SAFETY_HEADERS if each[0] not in given), *kept]
