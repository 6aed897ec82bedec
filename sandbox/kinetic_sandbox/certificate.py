"""Certificates of a made-up authority, for servers on loopback; `openssl` makes them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_LOOPBACK = ("IP:127.0.0.1", "DNS:localhost")


class Authority:
    """Signs what it is asked to.

    Args:
        folder: keeps the keys; it has to exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.bundle = folder / "authority.pem"
        self._key = folder / "authority.key"
        _openssl(
            "req", "-x509", *_NEW_KEY, "-keyout", str(self._key), "-out", str(self.bundle),
            "-days", "30", "-subj", "/CN=Sandbox Authority",
            "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign",
        )  # fmt: skip

    def issue(self, name: str, hosts: tuple[str, ...] = _LOOPBACK, days: int = 30) -> Path:
        """Make a PEM file with a key and its certificate.

        Args:
            name: of the file.
            hosts: as `subjectAltName` has them: `IP:127.0.0.1`, `DNS:localhost`.
            days: how long it holds; negative for one that has expired.
        """
        key, certificate = self._folder / f"{name}.key", self._folder / f"{name}.pem"
        extensions = (
            f"subjectAltName={','.join(hosts)}\nauthorityKeyIdentifier=keyid\n"
            "basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\n"
        )
        with TemporaryDirectory() as scratch:
            request, facts = Path(scratch, "request"), Path(scratch, "extensions")
            facts.write_text(extensions)
            _openssl("req", *_NEW_KEY, "-keyout", str(key), "-out", str(request), "-subj", "/CN=-")
            _openssl(
                "x509", "-req", "-in", str(request), "-CA", str(self.bundle), "-CAkey",
                str(self._key), "-CAcreateserial", "-days", str(days), "-extfile", str(facts),
                "-out", str(certificate),
            )  # fmt: skip
        certificate.write_text(certificate.read_text() + key.read_text())
        return certificate


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], capture_output=True, check=True)  # noqa: S603, S607
