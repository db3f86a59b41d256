"""``rushes web``: the page and the HTTP API, until Ctrl-C."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from rushes.errors import ConfigError
from rushes_queue.cli.flags.farm_flags import FarmFlags
from rushes_queue.cli.flags.folder_flags import FolderFlags
from rushes_queue.cli.flags.option_groups import takes_flags
from rushes_queue.cli.show.console import print_json, say

DEFAULT_PORT = 8765
_PARTS = ("fastapi", "uvicorn")


@takes_flags
def web(
    farm: FarmFlags,
    places: FolderFlags,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any that is free.")
    ] = DEFAULT_PORT,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    password_file: Annotated[
        Path | None,
        typer.Option(help="File with a password to log in with, instead of a token."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which browsers find this server; may be repeated."),
    ] = None,
    user_header: Annotated[
        str | None,
        typer.Option(help="Header in which a proxy names the user whom it let in."),
    ] = None,
    proxy: Annotated[
        list[str] | None,
        typer.Option(help="Address of a proxy whose header is trusted; by default this machine's."),
    ] = None,
    max_upload: Annotated[
        int, typer.Option(min=1, help="Largest file that may be uploaded, in MiB.")
    ] = 4096,
    alone: Annotated[
        bool, typer.Option("--alone", help="Render on this machine, even if there is a farm.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object with the address first.")
    ] = False,
) -> None:
    """Serve a page and an HTTP API for the farm, until Ctrl-C.

    Without a farm it renders on this machine, one job after another. Whoever has the address that
    it prints can submit and cancel jobs.
    """
    if missing := [name for name in _PARTS if find_spec(name) is None]:
        raise ConfigError(
            f"{', '.join(missing)}: not installed; install the extra 'web' of this package, or "
            "pip install 'fastapi>=0.115' 'uvicorn>=0.34'"
        )
    from rushes_queue.web.open_services import open_services
    from rushes_queue.web.serve import WebServer

    services = open_services(
        broker=farm.broker,
        storage=farm.storage,
        folders=places.folders(),
        is_alone=alone,
        most_upload=max_upload * 2**20,
    )
    server = WebServer(
        *(services, host, port),
        names=allow_host or (),
        password_file=password_file,
        user_header=user_header,
        proxies=proxy or (),
    )
    if as_json:
        print_json({"schema_version": 1, "address": server.address, "mode": services.mode})
    else:
        where = "the farm" if services.mode == "farm" else "this machine; no farm was found"
        say(f"jobs are rendered by {where}")
        typer.echo(server.address)
        say("whoever has this address can use it; Ctrl-C ends the server")
    if open_page:
        typer.launch(server.address)
    with warnings.catch_warnings():
        warnings.showwarning = _say_warning
        server.run()


def _say_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    say(f"note: {message}")
