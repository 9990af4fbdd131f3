"""The server on this machine: HTTP to requests as values and back. The only importer of starlette and uvicorn.

In: a Site, a port. Out: answers to a browser, until it is stopped. May not live here: pages, who may come in (doors.py).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from mailrules.errors import ConfigError, UsageError
from mailrules.page.doors import ANSWERS
from mailrules.page.site import Answer, Asked, Site, problem

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

LARGEST_FORM = 16_384
MOST_FIELDS = 50
HOST = "127.0.0.1"


def listening(port: int) -> socket.socket:
    """Return a socket of this machine's own address; 0 takes any free port. Raises UsageError where it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # why: elsewhere this would let another program take the port over
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(100)  # from here on the printed address answers
    except OSError as error:
        listener.close()
        raise UsageError(
            f"port {port} of this machine cannot be had ({error.strerror or error})",
            help="name another: --port 0 takes any free one",
        ) from error
    return listener


def serve(app: Starlette, listener: socket.socket) -> None:
    """Answer until the process is told to stop."""
    import uvicorn

    settings = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, date_header=False, lifespan="off", ws="none", http="h11",
        limit_concurrency=200, timeout_keep_alive=5, timeout_graceful_shutdown=2,
        log_level="critical",  # why: what a port scanner sends is nothing for the person at the terminal; bugs go to `report`
    )  # fmt: skip
    uvicorn.Server(settings).run(sockets=[listener])


def application(site: Site, report: Callable[[str], None]) -> Starlette:
    """Return the application; `report` is told of bugs of ours."""
    try:
        import uvicorn  # noqa: F401 - both belong to one extra: whoever lacks one hears of it before anything is shown
        from starlette.applications import Starlette
        from starlette.concurrency import run_in_threadpool
        from starlette.exceptions import HTTPException
        from starlette.requests import ClientDisconnect
        from starlette.responses import Response
        from starlette.routing import Route
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"the page needs the library {error.name}, which is not installed", help="pip install 'mailrules[serve]'"
        ) from error

    def respond(answer: Answer) -> Response:
        headers = {**ANSWERS, **({"Location": answer.to} if answer.to else {})}
        response = Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.kind)
        for name, value in answer.cookies.items():
            response.set_cookie(name, value, path="/", httponly=True, samesite="strict")
        return response

    async def endpoint(request: Request) -> Response:
        if len(request.headers.getlist("host")) != 1 or not site.doors.host_is_ours(request.headers["host"]):
            return respond(Answer(body="this is not the host that you asked for\n", status=421, kind="text/plain"))
        try:
            form = await _form(request) if request.method == "POST" else None
        except ClientDisconnect:  # whoever sent half a form hears of nothing, and nothing is done
            return respond(Answer(body="cut off\n", status=400, kind="text/plain"))
        if request.method == "POST" and form is None:
            return respond(Answer(body="too large\n", status=413, kind="text/plain"))
        asked = Asked(
            path=request.url.path, query=dict(request.query_params), cookies=request.cookies, headers=dict(request.headers),
            form=form,
        )  # fmt: skip
        try:
            answer = await run_in_threadpool(site.answer, asked)
        except Exception as error:
            report(f"{type(error).__name__}: {error}")
            if os.environ.get("MAILRULES_DEBUG"):
                raise
            answer = problem(site.words(asked), 500, "bug")
        return respond(answer)

    async def refused(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return respond(Answer(body="no such page\n", status=status, kind="text/plain"))

    routes = [Route("/{path:path}", endpoint, methods=["GET", "POST"])]
    return Starlette(routes=routes, exception_handlers={HTTPException: refused})


async def _form(request: Request) -> dict[str, str] | None:
    """Return the values of a form, or None where it is too large."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST_FORM:
            return None
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return {}
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), max_num_fields=MOST_FIELDS))
    except ValueError:  # more fields than any form of ours has
        return {}
