"""The gate in front of all addresses: host, origin, token or session, size of the body.

Source: Fetch standard, header ``Origin``; OWASP cheat sheets on CSRF and DNS rebinding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from urllib.parse import parse_qs, quote, urlencode

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rushes_queue.web.safety.access import Access
from rushes_queue.web.safety.bodies import MOST_JSON_BYTES, BoundedBody, too_large
from rushes_queue.web.safety.headers import with_safety
from rushes_queue.web.safety.hosts import Hosts, is_same_origin
from rushes_queue.web.safety.proxies import SpoofedUserError, TrustedProxies

USER = "rushes.user"  # in the scope of a request: the name that a trusted proxy gave
LOGIN = "/login"
_OPEN_FOLDER = "/static/"  # the code of the pages, which is public
_READS = ("GET", "HEAD")
_OURS = ("same-origin", "none")  # values of Sec-Fetch-Site: our pages, or typed by the user
_SECONDS_AFTER_WRONG_SECRET = 1.0
_LONGEST_LOGIN = 4096  # bytes
_ENDS = (400, 401, 403, 408, 413, 421)  # the rest of such a request is not read

Refuse = Callable[[int, str], Response]


class Guard:
    """Lets requests through that come from our pages, or from programs that know the secret.

    Users whom one of ``proxies`` names are let in as well. ``refuse`` makes the answer to the
    others; ``most_upload`` bounds bodies below ``uploads``.
    Units: bytes.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        access: Access,
        hosts: Hosts,
        refuse: Refuse,
        uploads: str,
        most_upload: int,
        proxies: TrustedProxies | None = None,
    ) -> None:
        self._app, self._access, self._hosts, self._refuse = app, access, hosts, refuse
        self._proxies = proxies
        self._uploads, self._most_upload = uploads, most_upload
        self._one_guess = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = with_safety(list(message.get("headers", [])))
                if message["status"] in _ENDS:
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            await send(message)

        most = self._most_upload if scope["path"].startswith(self._uploads) else MOST_JSON_BYTES
        answer = await self._answer_at_gate(scope, receive, most)
        if answer is not None:
            await answer(scope, receive, send_safely)
        else:
            await self._app(scope, BoundedBody(receive, most), send_safely)

    async def _answer_at_gate(self, scope: Scope, receive: Receive, most: int) -> Response | None:
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            return self._refuse(400, "a body has a length or comes in chunks, not both")
        if not self._hosts.is_ours(headers.get("host", "")):
            return self._refuse(421, "this server does not answer to this name; see --allow-host")
        if fault := self._origin_fault(scope, headers):
            return self._refuse(403, fault)
        try:
            scope[USER] = self._proxies.user(scope) if self._proxies else None
        except SpoofedUserError as error:
            return self._refuse(400, f"{error}; the proxy is to replace what its clients send")
        if scope["path"] == LOGIN and scope["method"] == "POST":
            return await self._log_in(receive)
        if (entered := await self._enter(scope)) is not None:
            return entered
        if not self._may_pass(scope, headers):
            if "authorization" in headers:
                await self._wait_for_guess()
            return self._send_to_login(scope)
        if int(headers.get("content-length", "0")) > most:
            return self._refuse(413, too_large(most).detail)
        return None

    def _origin_fault(self, scope: Scope, headers: Headers) -> str:
        """Return why a request may not change anything; browsers name the page that asks."""
        site = headers.get("sec-fetch-site", "same-origin")
        origin = headers.get("origin")
        if scope["method"] in _READS:
            is_foreign = origin is not None and not is_same_origin(origin, headers["host"])
            is_foreign |= scope["path"].startswith("/api/") and site not in _OURS
            return "pages of other origins read nothing here" if is_foreign else ""
        if origin is not None and not is_same_origin(origin, headers["host"]):
            return "pages of other origins change nothing here"
        if site not in _OURS:
            return "pages of other sites change nothing here"
        if origin is None and not self._access.has_bearer(headers.get("authorization", "")):
            is_login = scope["path"] == LOGIN
            return "" if is_login else "a change needs the header Origin, or a bearer token"
        return ""

    def _may_pass(self, scope: Scope, headers: Headers) -> bool:
        path = scope["path"]
        return (
            path == LOGIN
            or path.startswith(_OPEN_FOLDER)
            or scope[USER] is not None
            or self._access.has_session(headers.get("cookie", ""))
            or self._access.has_bearer(headers.get("authorization", ""))
        )

    async def _enter(self, scope: Scope) -> Response | None:
        """Answer an address that holds the token: with a session, and the address without it."""
        query = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = query.pop("token", None)
        if tokens is None or self._access.is_password or scope["method"] not in _READS:
            return None
        if not self._access.is_secret(tokens[-1]):
            await self._wait_for_guess()
            return self._refuse(403, "the token is wrong; take the address that rushes web printed")
        rest = f"?{urlencode(query, doseq=True)}" if query else ""
        return self._let_in(f"{quote(scope['path'])}{rest}")

    async def _log_in(self, receive: Receive) -> Response:
        body, bounded = b"", BoundedBody(receive, _LONGEST_LOGIN)
        try:
            while True:
                message = await bounded()
                body += message.get("body", b"")
                if not message.get("more_body"):
                    break
        except HTTPException as error:
            return self._refuse(error.status_code, error.detail)
        given = parse_qs(body.decode("utf-8", "replace")).get("secret", [""])[0]
        if self._access.is_secret(given):
            return self._let_in("/")
        await self._wait_for_guess()
        return RedirectResponse(f"{LOGIN}?wrong", 303)

    async def _wait_for_guess(self) -> None:
        """Let a wrong guess take a second, one after the other, whoever guesses."""
        async with self._one_guess:
            await asyncio.sleep(_SECONDS_AFTER_WRONG_SECRET)

    def _let_in(self, address: str) -> Response:
        # Two slashes at the start would lead to another server.
        answer = RedirectResponse(f"/{address.lstrip('/')}", 303)
        answer.headers["set-cookie"] = self._access.cookie
        return answer

    def _send_to_login(self, scope: Scope) -> Response:
        if scope["method"] in _READS and not scope["path"].startswith("/api/"):
            return RedirectResponse(LOGIN, 303)
        return self._refuse(401, "log in, or send the token: Authorization: Bearer ...")
