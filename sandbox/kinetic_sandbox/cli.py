"""The command `kinetic-sandbox`: serve a tenant, Looker or Tableau, and talk to what is served."""

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

from kinetic_sandbox.faults import KINDS
from kinetic_sandbox.kinetic import VICES, KineticServer, Tenant
from kinetic_sandbox.looker import LookerServer, sample_looker
from kinetic_sandbox.tableau import Plan, TableauServer, sample_tableau

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kinetic_sandbox.loopback import LoopbackService


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
    _remote(verbs, "requests", _requests, "print what a running stand-in was asked")
    _add_looker(verbs.add_parser("looker", help="serve a Looker instance until stopped"))
    _add_tableau(verbs.add_parser("tableau", help="serve a Tableau until stopped"))
    fault = _remote(
        verbs, "fault", _fault, "let a fault befall calls of a running Looker or Tableau"
    )
    known = ", ".join(KINDS)
    fault.add_argument("fault", nargs="+", metavar="name=value", type=_value, help=f"kind={known}")
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


def _add_looker(looker: argparse.ArgumentParser) -> None:
    looker.add_argument("--port", type=int, default=0, help="0 takes a free one")
    looker.add_argument(
        "--description", type=Path, help="the vendor's OpenAPI file, to hold every call against"
    )
    looker.set_defaults(run=_looker)


def _add_tableau(tableau: argparse.ArgumentParser) -> None:
    tableau.add_argument("--port", type=int, default=0, help="0 takes a free one")
    tableau.add_argument(
        "--schema", type=Path, help="the vendor's XSD file, to hold every call against"
    )
    tableau.add_argument("--api-version", default="3.29", help="the highest that it speaks")
    tableau.add_argument(
        "--refreshes-per-hour", type=int, help="of each site, as on Tableau Cloud; without: any"
    )
    tableau.add_argument("--job-seconds", type=float, default=3, help="how long a job takes")
    tableau.set_defaults(run=_tableau)


def _remote(verbs: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:  # noqa: ANN401
    verb: argparse.ArgumentParser = verbs.add_parser(name, help=text)
    verb.add_argument("--control", required=True, metavar="URL", help="as printed at the start")
    verb.set_defaults(run=run)
    return verb


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, _ = text.partition("=")
    if not equals or name not in VICES:
        known = ", ".join(sorted(VICES))
        raise argparse.ArgumentTypeError(f"{text!r} is no name=value; known names: {known}")
    return _value(text)


def _value(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
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
    return _serve_until_stopped(server, _announcement(server))


def _looker(options: argparse.Namespace) -> int:
    looker = sample_looker()
    try:
        server = LookerServer(looker, port=options.port, description=options.description)
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    (user,) = looker.users
    announcement = {
        "url": server.url,
        "control": server.control_url,
        "client_id": user.client_id,
        "client_secret": user.client_secret,
    }
    return _serve_until_stopped(server, announcement)


def _tableau(options: argparse.Namespace) -> int:
    tableau = sample_tableau()
    tableau.api_version = options.api_version
    tableau.plan = Plan(options.job_seconds / 4, options.job_seconds * 3 / 4)
    for site in tableau.sites:
        site.refreshes_per_hour = options.refreshes_per_hour
    try:
        server = TableauServer(tableau, port=options.port, schema=options.schema)
    except (ImportError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    (user,), (app,) = tableau.users, tableau.apps
    ((token_name, token_secret),) = user.tokens.items()
    ((secret_id, secret_value),) = app.secrets.items()
    announcement = {
        "url": server.url,
        "control": server.control_url,
        "site": tableau.sites[0].content_url,
        "sites": [site.content_url for site in tableau.sites],
        "token_name": token_name,
        "token_secret": token_secret,
        "client_id": app.client_id,
        "secret_id": secret_id,
        "secret_value": secret_value,
        "username": user.name,
        "password": user.password,
    }
    return _serve_until_stopped(server, announcement)


def _serve_until_stopped(server: LoopbackService, announcement: dict[str, Any]) -> int:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with server:
        sys.stdout.write(json.dumps(announcement) + "\n")
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


def _fault(options: argparse.Namespace) -> int:
    return _call(options.control, "POST", "/faults", dict(options.fault))


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
        sys.stderr.write(f"nobody answers at {control}: {error.reason}\n")
        return 1
    return 0
