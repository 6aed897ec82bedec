"""A user of kinetic-secrets, in a folder of their own."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("kinetic-secrets"))
SECRET = "s3cret-Ж-value"


@dataclass
class User:
    """Runs the program in a folder; whatever it says never holds a secret.

    Attributes:
        secrets: what no output may show.
    """

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=lambda: [SECRET])

    @property
    def store(self) -> Path:
        return self.folder / ".secrets.enc"

    @property
    def key_file(self) -> Path:
        return self.folder / "config" / "kinetic-secrets" / "key"

    @property
    def environment(self) -> dict[str, str]:
        own = {k: v for k, v in os.environ.items() if not k.startswith("KINETIC_")}
        return {**own, "XDG_CONFIG_HOME": str(self.folder / "config"), **self.variables}

    def run(self, *arguments: str, stdin: str | bytes = "") -> subprocess.CompletedProcess[str]:
        """Whatever happens: no secret, no key, no traceback."""
        done = self.start(*arguments, stdin=subprocess.PIPE)
        data = stdin.encode() if isinstance(stdin, str) else stdin
        out, err = (each.decode() for each in done.communicate(data, timeout=60))
        keys = self.key_file.read_text().split() if self.key_file.exists() else []
        for secret in (*self.secrets, *keys):
            assert secret not in err
            assert secret not in out or arguments[0] == "exec"
        assert "Traceback" not in err
        return subprocess.CompletedProcess(arguments, done.returncode, out, err)

    def start(self, *arguments: str, **options) -> subprocess.Popen[bytes]:
        given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
        return subprocess.Popen(
            [PROGRAM, *arguments], cwd=self.folder, env=self.environment, **given
        )

    def keep(self, name: str, value: str = SECRET) -> None:
        done = self.run("set", name, stdin=value)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def names(self) -> list[str]:
        done = self.run("list")
        assert done.returncode == 0, done.stderr
        return done.stdout.split()
