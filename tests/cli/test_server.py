"""``nats-server`` as a command: flags, what it says, its files, signals, reload."""

import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest
from tests.conftest import command, wait_for

from natskit.server.logs import RotatingFile
from natskit.server.syslog import MOST_WAITING, Aside, remote_syslog

SERVER = command("nats-server")
LINE = re.compile(r"\[\d+\] \d{4}/\d\d/\d\d \d\d:\d\d:\d\d\.\d{6} \[(INF|WRN|ERR|FTL|DBG|TRC)\] ")


def run(*argv, **env):
    return subprocess.run(
        [SERVER, *argv], capture_output=True, text=True, timeout=30, env=os.environ | env, stdin=subprocess.DEVNULL
    )


@pytest.fixture
def serve(start):
    """Starts it on a free port of this machine; ready when it says so."""

    def begin(*argv, **kwargs):
        program = start(SERVER, "-a", "127.0.0.1", "-p", "-1", *argv, **kwargs)
        program.wait_for("Server is ready")
        return program

    return begin


def port_of(program):
    return int(re.search(r"Listening for client connections on 127\.0\.0\.1:(\d+)", program.output)[1])


def said_by(port, text):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(text)
        data = b""
        while not data.endswith((b"PONG\r\n", b"'\r\n")) and (piece := client.recv(65536)):
            data += piece
        return data.decode()


# ---- flags ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["-h", "-help", "--help", "help"])
def test_help_has_examples(flag):
    done = run(flag)
    assert done.returncode == 0
    assert "nats-server -c server.conf" in done.stdout


@pytest.mark.parametrize("flag", ["-v", "-version", "--version", "version"])
def test_version(flag, real_server):
    done = run(flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"nats-server \(natskit\) \d+\.\d+\.\d+\n", done.stdout)
    theirs = subprocess.run([real_server, flag], capture_output=True, text=True, timeout=20)
    assert (theirs.returncode, theirs.stdout) == (0, "nats-server: v2.15.1\n")


def test_help_about_tls():
    done = run("--help_tls")
    assert done.returncode == 0
    assert [row.split()[0] for row in done.stdout.splitlines()] == [
        "--tls",
        "--tlscert",
        "--tlskey",
        "--tlsverify",
        "--tlscacert",
    ]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["-nope"], "-nope"),
        (["foo"], 'unrecognized command: "foo"'),
        (["-t"], "must specify [-c, --config] option to check configuration file syntax"),
        (["-js"], "-js is not supported by the embedded server"),
        (["--cluster", "nats://localhost:6222"], "run the real nats-server"),
        (["-routes=nats://a"], "-routes is not supported"),
        (["-p", "x"], "x"),
        (["-p", "70000"], "70000 is not a port"),
        (["-c", "nowhere.conf"], "cannot read the configuration nowhere.conf"),
        (["--tls"], "TLS Server certificate must be present and valid"),
        (["--tlscert", "a"], "TLS Server private key must be present and valid"),
        (["--tlscert", "nowhere", "--tlskey", "nowhere"], "error parsing X509 certificate/key pair nowhere"),
        (["--user", "u", "--auth", "t"], "Cannot have a user/pass and token"),
        (["-m", "1", "-ms", "2"], "can't specify both HTTP (1) and HTTPs (2) ports"),
        (["--signal", "foo"], 'unknown signal "foo"'),
        (["--signal", "reload=abc"], "invalid pid: abc"),
        (["--signal", "reload=0"], "invalid pid: 0"),
        (["-sl", "stop=9999999"], 'signal "stop" 9999999: no such process'),
    ],
)
def test_what_cannot_be_is_said_in_a_line_and_exits_with_1(argv, said):
    done = run(*argv)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("argv", [["-nope"], ["-p", "x"]])
def test_flags_that_cannot_be_are_no_success_as_they_are_to_the_go_server(argv, real_server):
    theirs = subprocess.run([real_server, *argv], capture_output=True, timeout=20)
    assert (run(*argv).returncode, theirs.returncode) == (1, 0)


# ---- checking a configuration --------------------------------------------------------------------


def test_a_configuration_is_checked(tmp_path, real_server):
    path = tmp_path / "server.conf"
    path.write_text("port: 4333\nserver_name: a")
    done = run("-t", "-c", str(path))
    theirs = subprocess.run([real_server, "-t", "-c", str(path)], capture_output=True, text=True, timeout=20)
    assert done.returncode == theirs.returncode == 0
    assert done.stderr == theirs.stderr


def test_every_fault_of_a_configuration_is_told(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text("port: x\nnope: 1\nping_interval: 5\ncluster { port: 1 }\n")
    done = run("-t", "-c", str(path))
    assert done.returncode == 1
    rows = [row.split(str(path))[1][:2] for row in done.stderr.splitlines() if str(path) in row]
    assert rows == [":3", ":1", ":2", ":4"]


def test_warnings_fail_the_check_but_not_the_start(tmp_path, serve):
    path = tmp_path / "server.conf"
    path.write_text("ping_interval: 5\n")
    done = run("-t", "-c", str(path))
    assert done.returncode == 1
    assert "ping_interval should be converted to a duration" in done.stderr
    assert "[WRN] " in serve("-c", str(path)).output


def test_operator_mode_is_checked_too(tmp_path):
    path = tmp_path / "server.conf"
    path.write_text(f"trusted_keys: O{'A' * 55}\naccounts {{ A {{}} }}\n")
    done = run("-t", "-c", str(path))
    assert done.returncode == 1
    assert "is not an operator public nkey" in done.stderr


# ---- what it says --------------------------------------------------------------------------------


def test_start_and_end_are_told_in_order(tmp_path, serve):
    path = tmp_path / "server.conf"
    path.write_text("server_name: here\nmax_payload: 9MB\nauthorization { user: u, password: hidden }\n")
    program = serve("-c", str(path))
    program.process.send_signal(signal.SIGINT)
    assert program.wait() == 0
    assert all(LINE.match(row) for row in program.errors)
    told = [row.split("] ", 2)[2] for row in program.errors]
    expected = [
        "Starting nats-server",
        "  Version:",
        "  Name:     here",
        "  ID:       N",
        "Plaintext passwords detected",
        f"Using configuration file: {path} (sha256:",
        "Maximum payloads over 8 MB",
        "Listening for client connections on 127.0.0.1:",
        "Server is ready",
        'Trapped "interrupt" signal',
        "Initiating Shutdown...",
        "Server Exiting..",
    ]
    assert [row for row, start in zip(told, expected, strict=True) if not row.startswith(start)] == []
    assert "hidden" not in program.output


def test_a_port_that_is_taken_is_fatal(serve):
    port = port_of(serve())
    done = run("-a", "127.0.0.1", "-p", str(port))
    assert done.returncode == 1
    assert "[FTL] " in done.stderr
    assert str(port) in done.stderr


def test_time_in_lines_can_be_off_and_debug_on(tmp_path, serve):
    path = tmp_path / "server.conf"
    path.write_text("debug: true\nlogtime: true\n")
    program = serve("-c", str(path), "-T=false")
    said_by(port_of(program), b"CONNECT {}\r\nPING\r\n")
    program.wait_for("[DBG]")
    assert re.match(r"\[\d+\] \[INF\] Starting", program.errors[0])
    quiet = serve("-c", str(path), "-D=false")
    said_by(port_of(quiet), b"CONNECT {}\r\nPING\r\n")
    quiet.stop()
    assert "[DBG]" not in quiet.output


def test_secrets_of_flags_are_not_told(serve):
    program = serve("--user", "u", "--pass", "hidden", "-DV")
    port = port_of(program)
    assert "PONG" in said_by(port, b'CONNECT {"user":"u","pass":"hidden"}\r\nPING\r\n')
    assert "Authorization Violation" in said_by(port, b'CONNECT {"user":"u","pass":"wrong hidden"}\r\nPING\r\n')
    program.stop()
    assert "hidden" not in program.output


# ---- files ---------------------------------------------------------------------------------------


def test_log_file_is_opened_again(tmp_path, start):
    path = tmp_path / "server.log"
    program = start(SERVER, "-a", "127.0.0.1", "-p", "-1", "-l", str(path))
    wait_for(lambda: path.exists() and "Server is ready" in path.read_text(), "the log")
    assert path.stat().st_mode & 0o777 == 0o640
    path.rename(tmp_path / "moved.log")
    program.process.send_signal(signal.SIGUSR1)
    wait_for(lambda: path.exists() and "File log re-opened" in path.read_text(), "the new log")
    program.stop()
    assert "Server Exiting.." in path.read_text()
    assert program.output == ""


def test_log_file_is_set_aside_at_its_size(tmp_path, start):
    path = tmp_path / "server.log"
    flags = ("-l", str(path), "--log_size_limit", "300", "-D")
    program = start(SERVER, "-a", "127.0.0.1", "-p", "-1", *flags)
    wait_for(lambda: any("Server is ready" in each.read_text() for each in tmp_path.iterdir()), "the log")
    program.stop()
    backups = [each.name for each in tmp_path.iterdir() if each != path]
    assert backups
    assert all(re.fullmatch(r"server\.log\.\d{4}(\.\d\d){5}\.\d{9}", name) for name in backups)
    assert 'Rotated log, backup saved as "' in "".join(each.read_text() for each in tmp_path.iterdir())


def test_no_more_log_files_are_kept_than_wanted(tmp_path, start):
    folder = tmp_path / "logs"
    folder.mkdir()
    path = folder / "server.log"
    config = tmp_path / "server.conf"
    config.write_text(f'log_file: "{path}"\nlog_size_limit: 2000\nlogfile_max_num: 3\n')
    program = start(SERVER, "-a", "127.0.0.1", "-p", "-1", "-D", "-c", str(config))
    wait_for(lambda: path.exists() and "Server is ready" in path.read_text(), "the log")
    port = int(re.search(r"client connections on 127\.0\.0\.1:(\d+)", path.read_text())[1])
    for _ in range(80):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.recv(100)
    program.stop()
    assert len(list(folder.iterdir())) == 3
    assert 'Purged log file "' in "".join(each.read_text() for each in folder.iterdir())


def test_log_that_cannot_be_set_aside_does_not_disturb_who_logs(tmp_path, capsys):
    folder = tmp_path / "logs"
    folder.mkdir()
    handler = RotatingFile(str(folder / "server.log"), 10, 0)
    record = logging.makeLogRecord({"msg": "a line that is longer than that", "levelname": "INFO"})
    shutil.rmtree(folder)
    for _ in range(2):
        handler.emit(record)
    assert "FileNotFoundError" in capsys.readouterr().err
    folder.mkdir()
    handler.emit(record)
    handler.close()
    assert list(folder.iterdir())


SYSLOG = re.compile(r"<5>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \S+ nats-server\[\d+\]: Server is ready\n")


@pytest.mark.parametrize("whose", ["ours", "theirs"])
@pytest.mark.parametrize("scheme", ["udp", "tcp"])
def test_log_goes_to_a_syslog_server(whose, scheme, start, request):
    server = SERVER if whose == "ours" else request.getfixturevalue("real_server")
    kind = socket.SOCK_DGRAM if scheme == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(10)
        if scheme == "tcp":
            listening.listen()
        url = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        program = start(server, "-a", "127.0.0.1", "-p", "-1", "-D", "-r", url)
        log = listening.accept()[0] if scheme == "tcp" else listening
        text = ""
        while not SYSLOG.search(text):
            said = log.recv(65536).decode()
            assert said, text
            text += said
        assert text.startswith("<5>")
        assert program.output == ""
        if scheme == "tcp":
            log.close()  # which the server survives
            assert said_by(int(re.search(r"connections on 127\.0\.0\.1:(\d+)", text)[1]), b"PING\r\n")
        program.stop()


def test_syslog_server_that_fails_is_left_alone_for_a_while(monkeypatch):
    def refused(*given):
        asked.append(given)
        raise ConnectionRefusedError

    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        handler = remote_syslog(f"tcp://127.0.0.1:{listening.getsockname()[1]}")
        listening.accept()[0].close()
    monkeypatch.setattr(socket, "create_connection", refused)
    record = logging.makeLogRecord({"msg": "a line", "levelname": "INFO"})
    wait_for(lambda: handler.emit(record) or handler.socket is None, "the end of the connection to be noticed")
    for _ in range(10):
        handler.emit(record)
    assert asked == []
    monkeypatch.setattr(handler, "_rests_until", 0.0)
    handler.emit(record)
    assert len(asked) == 1
    handler.close()


def test_who_logs_does_not_wait_for_who_takes_the_lines():
    class Stuck(logging.Handler):
        def emit(self, record):
            begun.set()
            go_on.wait(10)
            taken.append(record.getMessage())

    begun, go_on, taken = threading.Event(), threading.Event(), []
    aside = Aside(Stuck())
    for number in range(MOST_WAITING + 10):
        aside.handle(logging.makeLogRecord({"msg": "line %d", "args": (number,)}))
        assert number or begun.wait(10)
    go_on.set()
    aside.close()
    assert taken == [f"line {number}" for number in range(MOST_WAITING + 1)]


def test_log_goes_to_a_syslog_socket(tmp_path, start):
    path = tmp_path / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(10)
        start(SERVER, "-a", "127.0.0.1", "-p", "-1", "-r", f"unix://{path}")
        assert re.fullmatch(
            rb"<29>\w{3} [ \d]\d \d\d:\d\d:\d\d nats-server\[\d+\]: Starting nats-server\n", listening.recv(9999)
        )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-r", "unix:///nowhere/log"], "error connecting to syslog: "),
        (["-r", "tcp://127.0.0.1:1"], "error connecting to syslog: Connection refused"),
        (["-r", "udp://localhost:99999"], 'remote syslog "udp://localhost:99999" must be udp://host:port'),
        (["-r", "udp://127.0.0.1:1x"], 'remote syslog "udp://127.0.0.1:1x" must be udp://host:port'),
        (["-r", "udp://[::1"], 'remote syslog "udp://[::1" must be udp://host:port'),
        (["-r", "gopher://x"], 'remote syslog "gopher://x" must be udp://host:port'),
    ],
)
def test_syslog_server_that_is_not_there_is_told(flags, said):
    done = run("-a", "127.0.0.1", "-p", "-1", *flags)
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_reopening_without_a_file_is_ignored(serve):
    program = serve()
    program.process.send_signal(signal.SIGUSR1)
    program.wait_for("File log re-open ignored, not a file logger")


def test_pid_file_stays_and_ports_file_goes(tmp_path, serve):
    pid_file = tmp_path / "server.pid"
    config = tmp_path / "server.conf"
    config.write_text('websocket { listen: "127.0.0.1:-1", no_tls: true }')
    program = serve("-P", str(pid_file), "--ports_file_dir", str(tmp_path), "-m", "-1", "-c", str(config))
    pid = program.process.pid
    ports = tmp_path / f"nats-server_{pid}.ports"
    told = json.loads(ports.read_text())
    assert told["nats"] == [f"nats://127.0.0.1:{port_of(program)}"]
    assert told["monitoring"][0].startswith("http://127.0.0.1:")
    program.wait_for(f"Listening for websocket clients on {told['websocket'][0]}")
    assert pid_file.read_text() == str(pid)
    assert pid_file.stat().st_mode & 0o777 == 0o600
    assert run("--signal", f"quit={pid_file}").returncode == 0
    assert program.wait() == 0
    assert not ports.exists()
    assert pid_file.exists()


def test_pid_file_that_cannot_be_written_is_fatal(tmp_path):
    done = run("-a", "127.0.0.1", "-p", "-1", "-P", str(tmp_path / "no" / "server.pid"))
    assert done.returncode == 1
    assert "[FTL] Could not write pidfile: " in done.stderr


def test_ports_file_that_cannot_be_written_is_fatal_to_ours_only(tmp_path, start, real_server):
    flags = ("-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", str(tmp_path / "no"))
    done = run(*flags)
    assert done.returncode == 1
    assert "[FTL]" in done.stderr
    theirs = start(real_server, *flags)
    theirs.wait_for("Server is ready")
    theirs.wait_for("[ERR]")


# ---- signals and reload --------------------------------------------------------------------------


def test_signals_find_servers_by_the_beginning_of_their_pid(serve):
    program = serve()
    assert run("--signal", f"term={program.process.pid}*").returncode == 0
    assert program.wait() == 0
    assert 'Trapped "terminated" signal' in program.output


def test_reload_takes_what_it_can_and_tells_it(tmp_path, serve):
    path = tmp_path / "server.conf"
    path.write_text("debug: false\n")
    program = serve("-c", str(path))
    path.write_text("debug: true\nport: 1\nmax_payload: 1k\nauthorization { token: hidden }\n")  # -p holds the port
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("Reloaded server configuration (sha256:")
    assert "Reloaded: debug = true" in program.output
    assert "Reloaded: max_payload = 1000" in program.output
    assert "hidden" not in program.output
    assert "Authorization Violation" in said_by(port_of(program), b"CONNECT {}\r\nPING\r\n")
    program.wait_for("[DBG]")


def test_reload_names_everything_that_needs_a_restart(tmp_path, serve):
    path = tmp_path / "server.conf"
    path.write_text("debug: false\n")
    program = serve("-c", str(path))
    path.write_text("server_name: other\nmax_pending: 10MB\nmax_payload: 1k\n")
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("Failed to reload server configuration: config reload not supported for ")
    assert "server_name: old=, new=other" in program.output
    assert "max_pending: old=67108864, new=10485760" in program.output
    assert '"max_payload":1048576' in said_by(port_of(program), b"CONNECT {}\r\nPING\r\n")
    path.write_text("debug: maybe\n")
    program.process.send_signal(signal.SIGHUP)
    program.wait_for(f'{path}:1:0: "debug" must be true or false')


def test_reload_needs_a_file(serve):
    program = serve()
    program.process.send_signal(signal.SIGHUP)
    program.wait_for("can only reload config when a file is provided using -c or --config")


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_lame_duck_mode_is_not_shortened_by_sigterm_but_ended_by_sigint(whose, tmp_path, start, request):
    path = tmp_path / "server.conf"
    path.write_text('lame_duck_duration: "31s"\nlame_duck_grace_period: "30s"\n')
    server = SERVER if whose == "ours" else request.getfixturevalue("real_server")
    program = start(server, "-a", "127.0.0.1", "-p", "-1", "-c", str(path))
    program.wait_for("Server is ready")
    with socket.create_connection(("127.0.0.1", port_of(program)), timeout=10) as client:
        client.sendall(b"PING\r\n")
        while not client.recv(65536).endswith(b"PONG\r\n"):
            pass
        assert run("--signal", f"ldm={program.process.pid}").returncode == 0
        program.wait_for("Entering lame duck mode, stop accepting new clients")
        program.process.send_signal(signal.SIGTERM)
        program.wait_for('Trapped "terminated" signal')
        client.sendall(b"PING\r\n")
        assert client.recv(65536).endswith(b"PONG\r\n")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(10) == 0
        assert client.recv(65536) == b""


def test_lame_duck_mode_ends_the_program(tmp_path, serve):
    program = serve()
    program.process.send_signal(signal.SIGUSR2)
    assert program.process.wait(10) == 0
    assert program.output.index("Entering lame duck mode") < program.output.index("Server Exiting..")


def test_reload_moves_the_ports_file(tmp_path, start):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    path = tmp_path / "server.conf"
    path.write_text(f'listen: "127.0.0.1:-1"\nports_file_dir: "{first}"\n')
    program = start(SERVER, "-c", str(path))
    program.wait_for("Server is ready")
    (before,) = first.iterdir()
    text = before.read_text()
    path.write_text(f'listen: "127.0.0.1:-1"\nports_file_dir: "{second}"\n')
    program.process.send_signal(signal.SIGHUP)
    wait_for(lambda: list(second.iterdir()), "the new file")
    wait_for(lambda: not list(first.iterdir()), "the old file to go")
    assert next(second.iterdir()).read_text() == text
    program.stop()
    assert list(second.iterdir()) == []
