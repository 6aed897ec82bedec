"""kinetic-secrets keeps values, hands them to one command, and says why where it does not."""

import json
import os
import pty
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import secrets_user
from cryptography.fernet import Fernet
from environments import ROOT, programs
from secrets_user import PROGRAM, SECRET, User

BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SHOW = (sys.executable, "-c", "import json, os; print(json.dumps(dict(os.environ)))")


@pytest.fixture
def user(tmp_path):
    """Has a key and no store."""
    someone = User(tmp_path)
    done = someone.run("init")
    assert done.returncode == 0, done.stderr
    return someone


def test_a_command_finds_the_values_in_its_environment_and_nothing_else_changes(user):
    user.variables = {"TAP_PLAIN": "as it was", "TAP_PASSWORD": "of yesterday"}
    user.keep("TAP_PASSWORD")
    user.keep("TAP_API_KEY", "line one\nline two\n\n")

    done = user.run("exec", "--", *SHOW)

    added = {"TAP_PASSWORD": SECRET, "TAP_API_KEY": "line one\nline two\n"}
    assert of_the_user(json.loads(done.stdout)) == of_the_user({**user.environment, **added})


def of_the_user(variables):
    """Python adds LC_CTYPE where no language is set, a shell PWD."""
    return {name: value for name, value in variables.items() if name not in {"LC_CTYPE", "PWD"}}


def test_neither_the_key_nor_a_value_is_on_any_command_line_or_in_the_childs_key_variable(user):
    user.keep("TAP_PASSWORD")
    key = user.key_file.read_text().strip()
    user.key_file.unlink()
    user.variables = {"KINETIC_SECRETS_KEY": key}
    process = user.start("exec", "--", "sleep", "30")
    try:
        wait_for(lambda: command_line(process) == b"sleep\x0030\x00")
        listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        variables = Path(f"/proc/{process.pid}/environ").read_bytes()
    finally:
        process.kill()
        process.communicate()
    assert SECRET not in listed.stdout
    assert key not in listed.stdout
    assert SECRET.encode() in variables
    assert key.encode() not in variables


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_signals_reach_the_command_itself(user, sign):
    user.keep("TAP_PASSWORD")
    process = user.start("exec", "sleep", "30")
    wait_for(lambda: command_line(process) == b"sleep\x0030\x00")
    process.send_signal(sign)
    process.communicate(timeout=10)

    assert process.returncode == -sign


def test_a_command_whose_reader_has_gone_dies_of_it_as_it_would_alone(user):
    user.keep("TAP_PASSWORD")

    assert user.run("exec", "--", "sh", "-c", "kill -PIPE $$").returncode == -signal.SIGPIPE


@pytest.mark.parametrize("code", [0, 1, 2, 75])
def test_the_exit_code_is_the_commands(user, code):
    user.keep("TAP_PASSWORD")

    assert user.run("exec", "--", "sh", "-c", f"exit {code}").returncode == code


def test_options_behind_the_command_are_the_commands(user):
    user.keep("TAP_PASSWORD")

    assert user.run("exec", "echo", "--help", "-x").stdout == "--help -x\n"


def test_a_command_that_is_not_there_is_told_with_a_shells_exit_codes(user):
    user.keep("TAP_PASSWORD")
    (user.folder / "data").write_text("no program")

    gone, plain = user.run("exec", "--", "no-such-program"), user.run("exec", "--", "./data")

    assert (gone.returncode, plain.returncode) == (127, 126)
    assert gone.stderr == "Error: no-such-program cannot be run: No such file or directory.\n"


def test_a_terminal_is_asked_without_echo(user):
    shown, code = at_a_terminal(user, SECRET, "set", "TAP_PASSWORD")

    assert code == 0, shown
    assert "TAP_PASSWORD (one line, not shown): " in shown
    assert SECRET not in shown
    assert held(user) == {"TAP_PASSWORD": SECRET}


@pytest.mark.parametrize("value", ["-----BEGIN PRIVATE KEY-----\nMIIE\n", "x" * 5000])
def test_what_a_terminal_cuts_is_not_kept(user, value):
    shown, code = at_a_terminal(user, value, "set", "TAP_KEY")

    assert code == 2
    assert "kinetic-secrets set TAP_KEY < FILE" in shown.replace("\r\n", "")
    assert not user.store.exists()


def test_ctrl_c_at_the_prompt_keeps_nothing(user):
    shown, code = at_a_terminal(user, "\x03", "set", "TAP_PASSWORD")

    assert code == 1
    assert "Aborted!" in shown
    assert not user.store.exists()


@pytest.mark.parametrize("rest", [(SECRET,), ("--value", SECRET), (f"-{SECRET}",)])
def test_a_value_on_the_command_line_is_refused_and_not_repeated(user, rest):
    done = user.run("set", "TAP_PASSWORD", *rest)

    assert done.returncode == 2
    assert "never taken from the command line" in done.stderr
    assert not user.store.exists()


@pytest.mark.parametrize("name", ["", "A B", "1A", "A-B", f"TAP={SECRET}", "Ä", "A\n"])
def test_a_name_is_one_of_an_environment_variable(user, name):
    done = user.run("set", "--", name, stdin="x")

    assert done.returncode == 2
    assert "NAME has to be the name of an environment variable" in done.stderr


def test_the_key_cannot_be_locked_into_its_own_store(user):
    assert user.run("set", "KINETIC_SECRETS_KEY", stdin="x").returncode == 2


@pytest.mark.parametrize(
    ("stdin", "says"), [("", "empty"), ("\n", "empty"), ("a\0b", "null"), (b"\xff", "UTF-8")]
)
def test_a_value_that_no_variable_can_hold_is_refused(user, stdin, says):
    done = user.run("set", "TAP_PASSWORD", stdin=stdin)

    assert done.returncode == 2
    assert says in done.stderr
    assert not user.store.exists()


def test_names_are_listed_and_forgotten(user):
    user.keep("B_TWO")
    user.keep("A_ONE")
    user.keep("A_ONE", "another")

    assert user.names() == ["A_ONE", "B_TWO"]
    assert user.run("unset", "B_TWO").returncode == 0
    assert held(user) == {"A_ONE": "another"}
    gone = user.run("unset", "B_TWO")
    assert (gone.returncode, gone.stderr) == (2, "Error: B_TWO is not in .secrets.enc.\n")


def test_the_files_hold_no_name_and_no_value_and_are_closed_to_others(user):
    user.variables = {}
    user.keep("TAP_PASSWORD")

    text = user.store.read_bytes()
    assert SECRET.encode() not in text
    assert b"TAP_PASSWORD" not in text
    for path in (user.store, user.key_file):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(user.key_file.parent.stat().st_mode) == 0o700
    assert sorted(each.name for each in user.folder.iterdir()) == [".secrets.enc", "config"]


def test_init_never_replaces_a_key(user):
    before = user.key_file.read_text()

    done = user.run("init")

    assert done.returncode == 2
    assert f"{user.key_file} is there already" in done.stderr
    assert user.key_file.read_text() == before


def test_sets_at_the_same_time_lose_nothing(user):
    names = [f"TAP_{n}" for n in range(12)]
    running = [user.start("set", name, stdin=subprocess.PIPE) for name in names]
    for process, name in zip(running, names, strict=True):
        process.stdin.write(name.lower().encode())
        process.stdin.flush()
    time.sleep(2)  # all of them wait for the end of their value
    for process in running:
        process.stdin.close()
        process.stdin = None
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running] == [0] * len(names)

    assert held(user) == {name: name.lower() for name in names}


def test_a_write_that_fails_leaves_what_was_there(user):
    user.keep("TAP_PASSWORD")
    before = user.store.read_bytes()
    full_disk = subprocess.run(
        ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", PROGRAM, "set", "TAP_OTHER"],
        cwd=user.folder, env=user.environment, input=b"x", capture_output=True, check=False,
    )  # fmt: skip

    assert full_disk.returncode == 1
    assert full_disk.stderr.decode().startswith("Error: ")
    assert len(full_disk.stderr.splitlines()) == 1
    assert user.store.read_bytes() == before
    assert sorted(each.name for each in user.folder.iterdir()) == [".secrets.enc", "config"]


# --- what is refused ----------------------------------------------------------------------------


def test_another_key_does_not_open_the_store(user):
    user.keep("TAP_PASSWORD")
    user.variables = {"KINETIC_SECRETS_KEY": Fernet.generate_key().decode()}

    for command in (("list",), ("exec", "true"), ("set", "TAP_OTHER"), ("unset", "TAP_PASSWORD")):
        done = user.run(*command, stdin="x")
        assert done.returncode == 2
        assert done.stderr == (
            "Error: The key in KINETIC_SECRETS_KEY does not open .secrets.enc: the store was "
            "written with another key.\n"
        )


@pytest.mark.parametrize(
    ("key", "says"),
    [("", "is set and empty"), ("  \n", "is set and empty"), ("hunter2", "is no key")],
)
def test_what_is_no_key_is_told_apart(user, key, says):
    user.keep("TAP_PASSWORD")
    user.variables = {"KINETIC_SECRETS_KEY": key}

    done = user.run("list")

    assert done.returncode == 2
    assert says in done.stderr
    assert "hunter2" not in done.stderr


def test_each_changed_byte_is_refused(user):
    user.keep("TAP_PASSWORD")
    whole = user.store.read_bytes()
    for place in range(len(whole)):
        # Some of these are another spelling of the same bits in Base64, or skipped by decoders.
        near = (BASE64 * 2)[BASE64.find(whole[place]) + 1]
        for changed in {near, *b"+/!=\n"} - {whole[place]}:
            damaged = bytearray(whole)
            damaged[place] = changed
            code, text = opened_here(user, bytes(damaged))
            assert code == 1, (place, changed, text)


def test_a_changed_byte_is_one_sentence_and_exit_code_1(user):
    user.keep("TAP_PASSWORD")
    whole = bytearray(user.store.read_bytes())
    whole[-10] ^= 1
    user.store.write_bytes(whole)

    for command in (("list",), ("exec", "true"), ("set", "TAP_OTHER"), ("rotate",)):
        done = user.run(*command, stdin="x")
        assert done.returncode == 1
        assert done.stderr.startswith("Error: .secrets.enc was changed after it was written")
        assert len(done.stderr.splitlines()) == 1
    assert user.store.read_bytes() == whole


def test_a_file_that_was_cut_or_grew_is_refused_wherever(user):
    user.keep("TAP_PASSWORD")
    whole = user.store.read_bytes()
    for length in range(len(whole)):
        code, text = opened_here(user, whole[:length])
        assert code == 1, length
        assert "cut short" in text or "its beginning was changed" in text
    assert opened_here(user, whole + b"x")[0] == 1
    assert opened_here(user, whole + b"\n")[0] == 1


def test_a_value_of_an_older_store_cannot_be_put_beside_a_newer_key(user):
    user.keep("TAP_PASSWORD")
    older = user.store.read_text().splitlines()
    user.key_file.unlink()
    user.store.unlink()
    user.run("init")
    user.keep("TAP_PASSWORD")
    newer = user.store.read_text().splitlines()

    code, _ = opened_here(user, "\n".join([*newer[:2], older[2], ""]).encode())

    assert code == 1


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
@pytest.mark.parametrize("which", ["store", "key_file"])
def test_a_file_that_is_open_to_others_is_refused(user, which, mode):
    user.keep("TAP_PASSWORD")
    path: Path = getattr(user, which)
    path.chmod(mode)

    done = user.run("list")

    assert done.returncode == 2
    assert f"(mode {mode:04o})" in done.stderr
    assert "chmod 600" in done.stderr
    path.chmod(0o600)
    assert user.names() == ["TAP_PASSWORD"]


@pytest.mark.parametrize("which", ["store", "key_file"])
def test_a_file_of_another_user_is_refused(user, which):
    if os.geteuid():
        pytest.skip("NOT TESTED: only root can give a file to another user")
    user.keep("TAP_PASSWORD")
    os.chown(getattr(user, which), 1, -1)

    done = user.run("list")

    assert done.returncode == 2
    assert "belongs to another user (id 1)" in done.stderr


def test_a_store_that_is_missing_is_told_with_what_to_do(user):
    for command in (("list",), ("exec", "true"), ("unset", "A"), ("rotate",)):
        done = user.run(*command)
        assert done.returncode == 2
        assert "There is no store at .secrets.enc" in done.stderr


def test_a_key_that_is_missing_is_told_with_what_to_do(user):
    user.keep("TAP_PASSWORD")
    user.key_file.unlink()

    done = user.run("list")

    assert done.returncode == 2
    assert f"There is no key: {user.key_file} is missing" in done.stderr


def test_a_store_in_a_folder_that_is_not_there_is_one_sentence(user):
    done = user.run("--store", "no/such/folder/x", "set", "TAP_PASSWORD", stdin="x")

    assert done.returncode == 1
    assert done.stderr.endswith("no/such/folder: No such file or directory.\n")


# --- keys ---------------------------------------------------------------------------------------


def test_rotate_seals_with_a_new_key_and_older_stores_still_open(user):
    user.keep("TAP_PASSWORD")
    older = user.store.read_bytes()
    (old,) = user.key_file.read_text().split()

    assert user.run("rotate").returncode == 0

    new, kept = user.key_file.read_text().split()
    assert (kept, new != old) == (old, True)
    assert held(user) == {"TAP_PASSWORD": SECRET}
    assert stat.S_IMODE(user.key_file.stat().st_mode) == 0o600
    user.variables = {"KINETIC_SECRETS_KEY": new}
    assert held(user) == {"TAP_PASSWORD": SECRET}
    user.variables = {"KINETIC_SECRETS_KEY": old}
    assert user.run("list").returncode == 2
    user.variables = {}
    user.store.write_bytes(older)
    assert held(user) == {"TAP_PASSWORD": SECRET}


def test_the_key_files_whole_content_serves_as_the_variable(user):
    user.keep("TAP_PASSWORD")
    user.run("rotate")
    user.variables = {"KINETIC_SECRETS_KEY": user.key_file.read_text()}
    user.key_file.unlink()

    assert user.names() == ["TAP_PASSWORD"]
    assert "unset it" in user.run("rotate").stderr


def test_store_and_key_may_stand_in_one_folder_of_any_name(user):
    user.variables = {"KINETIC_SECRETS_KEY_FILE": "key", "KINETIC_SECRETS_STORE": "store"}

    assert user.run("init").returncode == 0
    user.keep("TAP_PASSWORD")
    assert user.run("rotate").returncode == 0
    assert held(user) == {"TAP_PASSWORD": SECRET}


@pytest.mark.full
@pytest.mark.parametrize("version", ["3.10", "3.12", "3.13"])
def test_other_pythons_do_the_same(user, version, monkeypatch):
    package = ROOT / "kinetic-secrets"
    found = programs("secrets", f"python{version}", version, (str(package),))
    monkeypatch.setattr(secrets_user, "PROGRAM", str(found / "kinetic-secrets"))

    user.keep("TAP_PASSWORD")
    assert user.run("rotate").returncode == 0
    assert held(user) == {"TAP_PASSWORD": SECRET}
    user.store.chmod(0o644)
    assert user.run("list").returncode == 2


# --- helpers ------------------------------------------------------------------------------------


def held(user: User) -> dict[str, str]:
    """The values of all names."""
    seen = json.loads(user.run("exec", "--", *SHOW).stdout)
    return {name: seen[name] for name in user.names()}


def opened_here(user: User, content: bytes) -> tuple[int, str]:
    """What reading such a store ends with, in this process: thousands of files are tried."""
    from kinetic_secrets import keys, store  # noqa: PLC0415
    from kinetic_secrets.errors import Damaged, Refused  # noqa: PLC0415

    user.store.write_bytes(content)
    try:
        store.opened(store.read(user.store), keys.of_file(user.key_file), user.store)
    except (Refused, Damaged) as error:
        return error.exit_code, error.message
    return 0, ""


def at_a_terminal(user: User, typed: str, *arguments: str) -> tuple[str, int]:
    """What a person sees, and the exit code; what is typed comes after the prompt."""
    ours, theirs = pty.openpty()
    name = os.ttyname(theirs)
    # The leader of a session gets the first terminal that it opens.
    shell = f'exec "$@" < {name} > {name} 2>&1'
    process = subprocess.Popen(
        ["sh", "-c", shell, "sh", PROGRAM, *arguments],
        cwd=user.folder, env=user.environment, start_new_session=True,
    )  # fmt: skip
    shown = b""
    try:
        while b"not shown): " not in shown:
            shown += os.read(ours, 1024)
        os.close(theirs)
        time.sleep(0.1)  # getpass drops what was typed before it had switched the echo off
        os.write(ours, typed.encode() + b"\n")
        while True:
            try:
                shown += os.read(ours, 1024)
            except OSError:  # the terminal's last user has gone
                break
        return shown.decode(errors="replace"), process.wait(20)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def command_line(process: subprocess.Popen[bytes]) -> bytes:
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
