"""The command line."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from kinetic_secrets import keys, private_files, store
from kinetic_secrets.errors import Refused

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TERMINAL_LINE = 4095
"""Bytes of a line that Linux hands on from a terminal; it drops the rest in silence."""
_NOT_FOUND, _NOT_RUN = 127, 126
"""As a shell has them."""


@dataclass(frozen=True)
class _Places:
    store: Path
    key_file: Path


_places = click.make_pass_decorator(_Places)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--store", "store_path", type=click.Path(path_type=Path), default=Path(".secrets.enc"),
    show_default=True, envvar="KINETIC_SECRETS_STORE", help="The encrypted file.",
)  # fmt: skip
@click.option(
    "--key-file", type=click.Path(path_type=Path), default=keys.default_path,
    envvar="KINETIC_SECRETS_KEY_FILE",
    help="Read where KINETIC_SECRETS_KEY is not set. Default: ~/.config/kinetic-secrets/key",
)  # fmt: skip
@click.version_option(package_name="kinetic-secrets")
@click.pass_context
def _commands(context: click.Context, store_path: Path, key_file: Path) -> None:
    """Credentials at rest: an encrypted file, opened for one command at a time."""
    context.obj = _Places(store_path, key_file)


@_commands.command()
@_places
def init(places: _Places) -> None:
    """Make a key, outside the project; never in place of another."""
    keys.make(places.key_file)
    click.echo(f"The key is in {places.key_file}. Keep a copy: without it no store can be opened.")


# What follows a name might be a secret: it is taken as it comes, and refused without a word of it.
@_commands.command("set", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("rest", nargs=-1, type=click.UNPROCESSED, metavar="")
@_places
def set_(places: _Places, name: str, rest: tuple[str, ...]) -> None:
    """Keep a value; it is asked for without echo, or comes on stdin."""
    if rest:
        raise Refused(
            "A value is never taken from the command line, where other users can see it; give "
            "NAME alone, and the value when asked, or on stdin. If this one was real, change it."
        )
    _check(name)
    value = _asked(name) if sys.stdin.isatty() else _piped()
    with private_files.one_writer(places.store):
        held = _variables(places) if places.store.exists() else {}
        store.write(places.store, {**held, name: value}, keys.find(places.key_file))


@_commands.command("list")
@_places
def list_(places: _Places) -> None:
    """Show the names, never a value."""
    for name in sorted(_variables(places)):
        click.echo(name)


@_commands.command()
@click.argument("name")
@_places
def unset(places: _Places, name: str) -> None:
    """Forget a value."""
    _check(name)
    with private_files.one_writer(places.store):
        held = _variables(places)
        if name not in held:
            raise Refused(f"{name} is not in {places.store}.")
        del held[name]
        store.write(places.store, held, keys.find(places.key_file))


@_commands.command(
    "exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@_places
def exec_(places: _Places, command: tuple[str, ...]) -> None:
    """Become COMMAND, with the values in its environment."""
    environment = {**os.environ, **_variables(places)}
    environment.pop(keys.VARIABLE, None)
    # Python ignores these two, and a program would inherit that.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - what the caller named
    except OSError as error:
        click.echo(f"Error: {command[0]} cannot be run: {error.strerror}.", err=True)
        sys.exit(_NOT_FOUND if isinstance(error, FileNotFoundError) else _NOT_RUN)


@_commands.command()
@_places
def rotate(places: _Places) -> None:
    """Seal the store with a new key; the old one stays in the key file, for other stores."""
    if keys.VARIABLE in os.environ:
        raise Refused(
            f"A new key is written into the key file, and {keys.VARIABLE} is set; unset it, "
            "rotate where the key file is, then give the new content to whoever has the variable."
        )
    with private_files.one_writer(places.store, places.key_file):
        held = _variables(places)
        store.write(places.store, held, keys.put_new_first(places.key_file))
    click.echo(
        f"{places.store} opens with the first key in {places.key_file} from now on. The older "
        "ones below it are for other stores; remove them when there are none."
    )


def main() -> None:
    """Run a command; what the system refuses is one sentence, too."""
    try:
        _commands(prog_name="kinetic-secrets")
    except OSError as error:
        click.echo(f"Error: {error.filename or 'The system'}: {error.strerror}.", err=True)
        sys.exit(1)


def _variables(places: _Places) -> dict[str, str]:
    text = store.read(places.store)
    return store.opened(text, keys.find(places.key_file), places.store)


def _check(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise Refused(
            "NAME has to be the name of an environment variable: letters, digits and "
            "underscores, no digit first; the value comes later."
        )
    if name == keys.VARIABLE:
        raise Refused(f"{keys.VARIABLE} opens the store and cannot be inside it.")


def _asked(name: str) -> str:
    value: str = click.prompt(f"{name} (one line, not shown)", hide_input=True, err=True)
    if len(value.encode()) >= _TERMINAL_LINE or value.startswith("-----BEGIN "):
        raise Refused(
            f"A terminal hands on one line of less than {_TERMINAL_LINE} bytes, so this value is "
            f"not whole and was not kept; give it from a file: `kinetic-secrets set {name} < FILE`."
        )
    return _judged(value)


def _piped() -> str:
    try:
        value = sys.stdin.buffer.read().decode()
    except UnicodeDecodeError:
        raise Refused("The value on stdin is not UTF-8 text; nothing was kept.") from None
    return _judged(value.removesuffix("\n").removesuffix("\r"))


def _judged(value: str) -> str:
    if not value:
        raise Refused("The value is empty; nothing was kept. `unset` forgets a name.")
    if "\0" in value:
        raise Refused("The value holds a null byte, which no variable can; nothing was kept.")
    return value
