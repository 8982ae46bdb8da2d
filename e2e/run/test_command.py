"""`run` as a wrapper: statuses, signals, what others see of the network, and that nothing is left behind."""

import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from harness.wrapper import Wrapper, is_alive, wait_for


@pytest.fixture
def wrapper(tmp_path):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    made = Wrapper(temporary)
    yield made
    made.assert_nothing_left()


@pytest.mark.parametrize("script,status", [("exit 0", 0), ("exit 42", 42), ("exit 255", 255), ("kill -9 $$", 137), ("kill -15 $$", 143)])
def test_the_status_is_the_commands(wrapper, script, status):
    done = wrapper.run("--", "sh", "-c", script)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")


def test_input_and_output_are_the_commands(wrapper):
    done = subprocess.run(
        wrapper.line("--", "sh", "-c", "cat; echo words >&2"), env=wrapper.environment(), input=b"\0bytes\xff", capture_output=True, timeout=30
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\0bytes\xff", b"words\n")


def test_a_command_that_cannot_be_run(wrapper, tmp_path):
    assert wrapper.run("--", "no-such-command").returncode == 127
    (tmp_path / "text").write_text("words")
    assert wrapper.run("--", str(tmp_path / "text")).returncode == 126


CATCHES = """
import os, signal, sys, time
name = sys.argv[2]
def caught(number, frame):
    sys.exit(10 + number)
signal.signal(getattr(signal, name), caught)
with open(sys.argv[1], "w") as out:
    out.write(f"{os.getpid()}\\n")
while True:
    time.sleep(60)
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1"])
def test_signals_reach_the_command(wrapper, tmp_path, name):
    started = wrapper.start("--", sys.executable, "-c", CATCHES, str(tmp_path / "up"), name)
    wait_for(tmp_path / "up")
    number = getattr(signal, name)
    started.send_signal(number)
    out, err = started.communicate(timeout=20)
    assert (started.returncode, out, err) == (10 + number, "", "")


def test_a_signal_that_ends_the_command(wrapper, tmp_path):
    started = wrapper.start("--", "sh", "-c", f"echo up > {tmp_path}/up; exec sleep 300")
    wait_for(tmp_path / "up")
    started.send_signal(signal.SIGTERM)
    started.communicate(timeout=20)
    assert started.returncode == 143


COUNTS = """
import os, signal, sys, time
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))
with open(sys.argv[1], "w") as out:
    out.write("up\\n")
# Long enough for a second one that somebody handed on.
while not seen:
    time.sleep(0.05)
time.sleep(0.5)
sys.exit(20 + len(seen))
"""


def test_the_terminals_interrupt_comes_once(wrapper, tmp_path):
    """The terminal sends it to the whole foreground group; handed on, it would come twice, and programs take that for "now"."""
    child, terminal = pty.fork()
    if child == 0:
        line = wrapper.line("--", sys.executable, "-c", COUNTS, str(tmp_path / "up"))
        os.execve(line[0], line, wrapper.environment())
    wait_for(tmp_path / "up")
    os.write(terminal, b"\x03")
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 21


# A child, a grandchild, and one that left its session, as daemons do, and ignores SIGTERM.
FAMILY = """
sleep 301 & echo $! > {0}/pids
setsid sh -c 'trap "" TERM; sleep 302; sleep 303' & echo $! >> {0}/pids
echo $$ >> {0}/pids
echo "$COUNTERSIGN_URL" "$HTTPS_PROXY" > {0}/up
{1}
"""


def family(tmp_path, then="exec sleep 300"):
    return ["--", "sh", "-c", FAMILY.format(tmp_path, then)]


def refuses(url):
    host, port = url.split("://", 1)[1].rsplit(":", 1)
    try:
        socket.create_connection((host, int(port)), 2).close()
    except ConnectionRefusedError:
        return True
    return False


def all_gone(wrapper, tmp_path, urls):
    wrapper.assert_nothing_left()
    assert not [pid for pid in map(int, (tmp_path / "pids").read_text().split()) if is_alive(pid)]
    assert all(refuses(url) for url in urls), urls


def test_what_the_command_leaves_behind_is_ended(wrapper, tmp_path):
    done = wrapper.run(*family(tmp_path, "exit 3"))
    assert done.returncode == 3
    # At once: not only some time after the wrapper has ended.
    assert wrapper.processes() == {} and not list(wrapper.temporary.iterdir())
    all_gone(wrapper, tmp_path, (tmp_path / "up").read_text().split())


@pytest.mark.parametrize("victim", ["child", "wrapper", "serving"])
def test_kill_9(wrapper, tmp_path, victim):
    started = wrapper.start(*family(tmp_path))
    urls = wait_for(tmp_path / "up").split()
    assert not any(refuses(url) for url in urls)
    child = int((tmp_path / "pids").read_text().split()[-1])
    serving = wrapper.serving()
    assert len(serving) == 1
    os.kill({"child": child, "wrapper": started.pid, "serving": serving[0]}[victim], signal.SIGKILL)
    started.communicate(timeout=20)
    # The wrapper's own death is seen by its own status; the two others' as a shell counts it.
    assert started.returncode == (-9 if victim == "wrapper" else 137)
    all_gone(wrapper, tmp_path, urls)


def test_both_killed_at_once(wrapper, tmp_path):
    """Nobody is left to clean up: the command still ends, and the folder goes with the next run. A living run's stays."""
    started = wrapper.start("--", "sh", "-c", f"echo $$ > {tmp_path}/up; exec sleep 300")
    child = int(wait_for(tmp_path / "up"))
    serving = wrapper.serving()
    kept = {p.name for p in wrapper.temporary.iterdir()}
    other = wrapper.start("--", "sh", "-c", f"echo up > {tmp_path}/other; exec sleep 300")
    wait_for(tmp_path / "other")
    assert len(serving) == 1 and len(kept) == 1
    for number in (signal.SIGSTOP, signal.SIGKILL):
        # Stopped first, so that neither sees the other go.
        for pid in (started.pid, serving[0]):
            os.kill(pid, number)
    started.communicate(timeout=20)
    ends = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < ends, "the command outlived both"
        time.sleep(0.02)
    assert kept < {p.name for p in wrapper.temporary.iterdir()}
    assert wrapper.run("--", "true").returncode == 0
    left = {p.name for p in wrapper.temporary.iterdir()}
    assert len(left) == 1 and not left & kept
    other.send_signal(signal.SIGTERM)
    other.communicate(timeout=20)
    assert other.returncode == 143


def test_twenty_at_once(wrapper, tmp_path):
    """A third end by themselves, a third have their child killed, a third are killed themselves."""
    folders = []
    started = []
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        folders.append(folder)
        ask = "curl -sS --fail https://login.microsoftonline.com/common/discovery/v2.0/keys > {0}/keys || exit 9; "
        then = "echo up > {0}/asked; " + ("exit 5" if number % 3 == 0 else "exec sleep 300")
        started.append(wrapper.start(*family(folder, (ask + then).format(folder))))
    for folder in folders:
        wait_for(folder / "asked", within=60)
    for number, process in enumerate(started):
        if number % 3 == 1:
            os.kill(int((folders[number] / "pids").read_text().split()[-1]), signal.SIGKILL)
        elif number % 3 == 2:
            process.kill()
    for number, process in enumerate(started):
        out, err = process.communicate(timeout=30)
        assert process.returncode == [5, 137, -9][number % 3], (number, out, err)
    wrapper.assert_nothing_left()
    for folder in folders:
        assert '"keys"' in (folder / "keys").read_text()
        all_gone(wrapper, folder, (folder / "up").read_text().split())


def test_others_are_passed_on_through_the_proxy_that_was_there(wrapper):
    """A stand-in for a company's proxy notes what it is asked, and says no."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                head = b""
                while not head.endswith(b"\r\n\r\n") and (more := connection.recv(4096)):
                    head += more
                asked.append(head.decode())
                connection.sendall(b"HTTP/1.1 407 no\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    proxy = f"http://me:not-to-be-shown@127.0.0.1:{listener.getsockname()[1]}"
    script = (
        "curl -sS --fail https://login.microsoftonline.com/common/discovery/v2.0/keys >/dev/null || exit 9; "
        "curl -sS https://elsewhere.example/; test $? = 56"
    )
    done = wrapper.run("--others", "pass", "--", "sh", "-c", script, HTTPS_PROXY=proxy, NO_PROXY="*.microsoftonline.com,other.example")
    listener.close()
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert len(asked) == 1 and asked[0].startswith("CONNECT elsewhere.example:443 HTTP/1.1\r\n"), asked
    assert "Proxy-Authorization: Basic" in asked[0]
    assert "not-to-be-shown" not in done.stdout + done.stderr


def test_one_more_host_is_answered(wrapper):
    line = ["--answer", "westeurope.login.microsoft.com", "--", "curl", "-sS", "--fail"]
    done = wrapper.run(*line, "https://westeurope.login.microsoft.com/common/discovery/v2.0/keys")
    assert done.returncode == 0 and '"keys"' in done.stdout, done.stderr
    done = wrapper.run(*line, "https://northeurope.login.microsoft.com/common/discovery/v2.0/keys")
    # curl's word for a proxy that says no, with --fail.
    assert done.returncode in (22, 56) and "refused a connection" in done.stderr, done.stderr


def test_data_that_is_kept(wrapper, tmp_path):
    """`--data` outlives the run; without it the next run knows nothing of the last."""
    make = ["--data", str(tmp_path / "data"), "--", os.fspath(wrapper.line()[0]), "app"]
    made = wrapper.run(*make, "create", "Kept")
    assert made.returncode == 0, made.stderr
    assert "Kept" in wrapper.run(*make, "list").stdout
    assert "Kept" not in wrapper.run("--", wrapper.line()[0], "app", "list").stdout


def test_it_is_quick(wrapper):
    """No figure is promised; a wrapper that takes seconds would be noticed by everybody."""
    began = time.monotonic()
    assert wrapper.run("--", "true").returncode == 0
    assert time.monotonic() - began < 10
