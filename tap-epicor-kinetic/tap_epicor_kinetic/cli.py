"""The console script: which way to start, and errors as one message and a code.

0 complete; 2 what changing a setting mends; 1 everything else.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from pathlib import Path

from .errors import SettingsError, TapError

logger = logging.getLogger("tap-epicor-kinetic")

_SETTINGS = 2
_FAILED = 1
_FILES = {"--config", "--state", "--catalog"}


def main() -> None:
    """Run and exit."""
    gc.disable()  # what is loaded now stays: looking for garbage in it takes a tenth of the start
    code = run(sys.argv[1:])
    logging.shutdown()
    # Threads that wait for a server that does not answer must not keep the process alive.
    os._exit(code)


def run(arguments: list[str]) -> int:
    """Run with these arguments and return the exit code."""
    try:
        return _start(arguments)
    except TapError as error:
        logger.error("%s", error)  # noqa: TRY400 - the message is the whole story
        return error.exit_code
    except KeyboardInterrupt:
        return _FAILED
    except Exception:
        logger.exception("This is a fault of the tap; please report it with the lines below")
        return _FAILED
    finally:
        _flush()


def _start(arguments: list[str]) -> int:
    # What is not needed is not loaded: a run that finds nothing new is mostly loading.
    if arguments[:1] == ["verify"]:
        from .verify import main as verify  # noqa: PLC0415

        _collect_again()
        return verify(arguments[1:])
    from . import quick  # noqa: PLC0415

    plain = quick.plain_sync(arguments)
    if plain is not None:
        _collect_again()
        quick.run(plain)
        return 0
    _check_files(arguments)
    return _run_sdk(arguments)


def _collect_again() -> None:
    if not gc.isenabled():
        gc.freeze()
        gc.enable()


def _run_sdk(arguments: list[str]) -> int:
    import click  # noqa: PLC0415

    from .tap import TapEpicorKinetic  # noqa: PLC0415

    _collect_again()
    try:
        return int(TapEpicorKinetic.cli.main(arguments, standalone_mode=False) or 0)
    except click.ClickException as error:
        logger.error("%s", error.format_message())  # noqa: TRY400
        return _SETTINGS
    except click.Abort:
        return _FAILED


def _check_files(arguments: list[str]) -> None:
    """The SDK reads these files, but says what is wrong with a traceback."""
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, _, value = argument.partition("=")
        path = value or following
        if option in _FILES and path not in {"", "ENV"}:
            _check_file(option, Path(path))


def _check_file(option: str, path: Path) -> None:
    try:
        json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"{option} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise SettingsError(f"{option} {path} is not JSON: {error}.") from error


def _flush() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody reads any more
