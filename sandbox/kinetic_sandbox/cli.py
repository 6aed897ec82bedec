"""The command `kinetic-sandbox`: serve a tenant, and talk to one that is being served."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kinetic_sandbox.kinetic import VICES, KineticServer, Tenant

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    options = _parser().parse_args(arguments)
    code: int = options.run(options)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kinetic-sandbox", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    _add_serve(verbs.add_parser("serve", help="serve a tenant until stopped"))
    day = _remote(verbs, "day", _day, "let a day pass at a running tenant")
    day.add_argument("--days", type=int, default=1)
    vice = _remote(verbs, "vice", _vice, "switch vices of a running tenant (name=null: off)")
    vice.add_argument("vices", nargs="+", metavar="name=value", type=_assignment)
    _remote(verbs, "requests", _requests, "print what a running tenant was asked")
    return parser


def _add_serve(serve: argparse.ArgumentParser) -> None:
    known = "\n".join(f"  {name:22} {vice.does}" for name, vice in sorted(VICES.items()))
    serve.formatter_class = argparse.RawDescriptionHelpFormatter
    serve.epilog = f"vices:\n{known}"
    serve.add_argument("--port", type=int, default=0, help="0 takes a free one")
    serve.add_argument("--profile", choices=("real", "documented"), default="real")
    serve.add_argument("--seed", type=int, default=7)
    serve.add_argument("--scale", type=float, default=1.0, help="how much data")
    serve.add_argument("--wide", type=int, default=0, help="filler columns per table")
    serve.add_argument(
        "--vice", action="append", default=[], metavar="name=value", type=_assignment
    )
    serve.add_argument("--log-file", type=Path, help="append each request as a line of JSON")
    serve.set_defaults(run=_serve)


def _remote(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:  # noqa: ANN401
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    verb.add_argument("--control", required=True, metavar="URL", help="as printed by serve")
    verb.set_defaults(run=run)
    return verb


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or name not in VICES:
        known = ", ".join(sorted(VICES))
        raise argparse.ArgumentTypeError(f"{text!r} is no name=value; known names: {known}")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _serve(options: argparse.Namespace) -> int:
    tenant = Tenant(
        profile=options.profile, seed=options.seed, scale=options.scale, wide=options.wide
    )
    server = KineticServer(tenant, port=options.port, log_file=options.log_file)
    try:
        for name, value in options.vice:
            server.vices.set(name, value)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with server:
        sys.stdout.write(json.dumps(_announcement(server)) + "\n")
        sys.stdout.flush()
        stop.wait()
    return 0


def _announcement(server: KineticServer) -> dict[str, Any]:
    return {
        "url": server.url,
        "control": server.control_url,
        "token_url": server.token_url,
        "companies": list(server.tenant.companies),
        "username": server.username,
        "password": server.password,
        "api_key": server.api_key,
        "client_id": server.client_id,
        "client_secret": server.client_secret,
    }


def _day(options: argparse.Namespace) -> int:
    return _call(options.control, "POST", f"/day?n={options.days}")


def _vice(options: argparse.Namespace) -> int:
    return _call(options.control, "POST", "/vices", dict(options.vices))


def _requests(options: argparse.Namespace) -> int:
    return _call(options.control, "GET", "/requests")


def _call(control: str, method: str, path: str, body: object = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(control.rstrip("/") + path, data, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request) as response:  # noqa: S310 - an address from `serve`
            sys.stdout.write(json.dumps(json.load(response), indent=2, ensure_ascii=False) + "\n")
    except urllib.error.HTTPError as error:
        sys.stderr.write(error.read().decode() + "\n")
        return 2
    except urllib.error.URLError as error:
        sys.stderr.write(f"no tenant answers at {control}: {error.reason}\n")
        return 1
    return 0
