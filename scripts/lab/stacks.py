"""How is each TLS stack started? Servers and clients as processes (or a Python thread) around a recording relay."""

import contextlib
import itertools
import os
import shlex
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from lab import pki
from lab.relay import PATIENCE, DatagramRelay, Relay, splice
from lab.wire import Datagram, Endpoint, Segment

CLIENT = "192.0.2.10"
SERVER = Endpoint("198.51.100.7", 443)
DATAGRAM_SERVER = Endpoint("198.51.100.7", 4433)
REQUEST = b"GET /hello HTTP/1.0\r\n\r\n"
GROUPS = "X25519:P-256:P-384"
"""What OpenSSL's client offers: defaults grow with every release."""


class StackMissingError(Exception):
    """A program that the scenario needs is not installed."""


class StackFailedError(Exception):
    """A program did not do what the scenario needs."""


class Scene:
    """One capture in the making: a folder with certificates and logs, what was said, and the programs that speak.

    Commands are strings as for a shell, without one; they run in the folder.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.segments: list[Segment] = []
        self.datagrams: list[Datagram] = []
        self._ports = itertools.count(50000)
        self._logs = itertools.count()
        (directory / "hello").write_text("hello\n")
        (directory / "keys.log").touch()

    @property
    def secrets(self) -> str:
        """What the stacks logged of their keys, without comments; both ends may have logged the same."""
        lines = (self.directory / "keys.log").read_text().splitlines()
        return "".join(f"{line}\n" for line in dict.fromkeys(lines) if line and not line.startswith("#"))

    def logs(self) -> str:
        """All output of the programs."""
        return "\n".join(f"--- {p.name}\n{p.read_text(errors='replace')}" for p in sorted(self.directory.glob("*.log")))

    @contextlib.contextmanager
    def start(self, command: str) -> Iterator["Running"]:
        """Run a program; at the end it is told to stop."""
        program, *arguments = shlex.split(command)
        path = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
        if path is None:
            raise StackMissingError(f"{program} is not installed")
        log = self.directory / f"{next(self._logs)}-{Path(program).name}.log"
        environment = os.environ | {"SSLKEYLOGFILE": str(self.directory / "keys.log")}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [path, *arguments],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        with process:
            try:
                yield Running(process, log)
            finally:
                process.terminate()

    def run(self, command: str, say: bytes = b"") -> None:
        """Run a client to its end; it may fail, its input stays open."""
        with self.start(command) as client:
            client.say(say)
            client.finish()

    @contextlib.contextmanager
    def relay(self, to_port: int, server: Endpoint = SERVER, patience: float = PATIENCE) -> Iterator[int]:
        """Record what passes; yields the port that the client connects to."""
        ports = (Endpoint(CLIENT, port) for port in self._ports)
        with Relay(self.segments, to_port, ports, server, patience) as relay:
            yield relay.port
        if relay.refused and patience:
            raise StackFailedError("the server did not start")

    @contextlib.contextmanager
    def datagram_relay(self, to_port: int, lost: frozenset[int] = frozenset()) -> Iterator[int]:
        """Record the datagrams that pass, but for those of the server that are `lost`; yields the client's port."""
        client, server = Endpoint(CLIENT, next(self._ports)), DATAGRAM_SERVER
        with DatagramRelay(self.datagrams, to_port, client, server, lost) as relay:
            yield relay.port

    @contextlib.contextmanager
    def thread(self, handle: Callable[[socket.socket], object]) -> Iterator[int]:
        """A server of one connection in Python; yields its port."""

        def serve() -> None:
            with contextlib.suppress(OSError):
                connection, _ = listener.accept()
                connection.settimeout(10)
                with connection, contextlib.suppress(OSError):
                    handle(connection)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            worker = threading.Thread(target=serve, daemon=True)
            worker.start()
            yield listener.getsockname()[1]
            worker.join(10)


class Running:
    """A program that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process, self._log, self._heard = process, log, 0

    def say(self, text: bytes) -> None:
        """Write to its input."""
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(text)
            self._process.stdin.flush()

    def wait_for(self, text: bytes) -> None:
        """Wait until it prints something, after what was waited for last."""
        deadline = time.monotonic() + 10
        while (found := self._log.read_bytes().find(text, self._heard)) < 0:
            if time.monotonic() > deadline:
                raise StackFailedError(f"{self._log.name} never said {text!r}")
            time.sleep(0.02)
        self._heard = found + len(text)

    def hang_up(self) -> None:
        """End its input."""
        assert self._process.stdin
        self._process.stdin.close()

    def finish(self) -> None:
        """Wait until it ends by itself."""
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired as error:
            raise StackFailedError(f"{self._log.name}: does not end") from error


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def openssl_server(port: int, options: str = "", identity: str = "server") -> str:
    """s_server; an empty `identity` is none."""
    with_identity = openssl_identity(identity) or "-nocert"
    return f"openssl s_server -accept 127.0.0.1:{port} -keylogfile keys.log {with_identity} {options}"


def openssl_client(port: int, options: str = "", identity: str = "", host: str = pki.HOST) -> str:
    """s_client that checks the server's certificate; an empty `identity` is none."""
    groups = "" if "-groups" in options else f"-groups {GROUPS}"
    return (
        f"openssl s_client -connect 127.0.0.1:{port} -servername {host} {groups} -CAfile ca.pem -verify_return_error"
        f" {openssl_identity(identity)} {options}"
    )


def openssl_identity(identity: str) -> str:
    """Options for a leaf of `pki` with its issuer; a leading `-` leaves the issuer out."""
    if not identity:
        return ""
    name = identity.removeprefix("-")
    issuer = "" if identity.startswith("-") else pki.LEAVES[name].issuer
    return f"-cert {name}.pem -key {name}.key" + (f" -cert_chain {issuer}.pem" if issuer else "")


def curl(reach: str, options: str = "", url: str = f"https://{pki.HOST}/hello", identity: str = "") -> str:
    """curl; `reach` is `direct(port)` or `proxied(port)`."""
    with_identity = f"--cert {identity}.chain.pem --key {identity}.key" if identity else ""
    return (
        f"curl --disable --silent --show-error --max-time 10 --noproxy '' {reach}"
        f" --cacert ca.pem {with_identity} {options} {url}"
    )


def direct(port: int) -> str:
    """Toward the relay, whatever the URL says."""
    return f"--proxy '' --connect-to ::127.0.0.1:{port}"


def proxied(port: int) -> str:
    """Through an HTTP proxy behind the relay."""
    return f"--proxy http://127.0.0.1:{port}"


def java_client(port: int, version: str, identity: str, host: str) -> str:
    """JSSE with its default key manager, which obeys the server's list of authorities."""
    return f"java {source('JsseClient.java')} {port} {host} {version} ca.pem {identity}.p12 {pki.PASSWORD.decode()}"


@contextlib.contextmanager
def nginx(scene: Scene, block: str) -> Iterator[int]:
    """nginx with one server, whose configuration `block` starts with what follows the port; yields that."""
    port = free_port()
    temporary = " ".join(f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (scene.directory / "nginx.conf").write_text(
        f"daemon off; master_process off; pid nginx.pid; events {{}} http {{ access_log off; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port} {block} location / {{ return 200 'hello\\n'; }} }} }}\n"
    )
    with scene.start(f"nginx -p {shlex.quote(str(scene.directory))} -c nginx.conf -e nginx-error.log"):
        yield port


def gnutls_server(port: int) -> str:
    """gnutls-serv that insists on a client certificate and echoes lines."""
    return (
        f"gnutls-serv --port {port} --echo --x509certfile server.chain.pem --x509keyfile server.key"
        " --x509cafile ca.pem --require-client-cert --verify-client-cert"
    )


def gnutls_client(port: int) -> str:
    """gnutls-cli with a certificate."""
    return (
        f"gnutls-cli --port {port} --x509cafile ca.pem --x509certfile client.chain.pem --x509keyfile client.key"
        f" --sni-hostname {pki.HOST} --verify-hostname {pki.HOST} 127.0.0.1"
    )


def node_server(port: int) -> str:
    """Node's tls, which checks client certificates."""
    return f"node --tls-keylog=keys.log {source('NodeServer.js')} {port}"


def source(name: str) -> str:
    """A program beside this file, quoted for a command."""
    return shlex.quote(str(Path(__file__).with_name(name)))


def server_context(scene: Scene, asks: bool = False) -> ssl.SSLContext:
    """Python's ssl as a server; `asks` for a client certificate and takes none too."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(scene.directory / "server.chain.pem", scene.directory / "server.key")
    context.keylog_filename = str(scene.directory / "keys.log")
    if asks:
        context.load_verify_locations(scene.directory / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def client_context(scene: Scene) -> ssl.SSLContext:
    """Python's ssl as a client that checks the server's certificate."""
    context = ssl.create_default_context(cafile=scene.directory / "ca.pem")
    context.keylog_filename = str(scene.directory / "keys.log")
    return context


def read_line(connection: socket.socket) -> bytes:
    """A line without reading ahead: TLS may begin after it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = connection.recv(1)
        if not byte:
            break
        line += byte
    return bytes(line)


DIALOGUES = {
    "smtp": {
        b"": b"220 mail.example.com ESMTP\r\n",
        b"EHLO": b"250-mail.example.com\r\n250 STARTTLS\r\n",
        b"STARTTLS": b"220 2.0.0 Ready to start TLS\r\n",
        b"QUIT": b"221 2.0.0 Bye\r\n",
    },
    "imap": {
        b"": b"* OK [CAPABILITY IMAP4rev1 STARTTLS] ready\r\n",
        b"CAPABILITY": b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK done\r\n",
        b"STARTTLS": b". OK begin TLS\r\n",
        b"LOGOUT": b"* BYE\r\na OK done\r\n",
    },
}
"""What a mail server answers to a line with the word in it; to the connection itself first."""


def mail_server(protocol: str, context: ssl.SSLContext | None) -> Callable[[socket.socket], None]:
    """A mail server that upgrades at STARTTLS (without `context`: refuses), answers once more and closes."""
    dialogue = DIALOGUES[protocol]

    def answer(connection: socket.socket, line: bytes) -> None:
        connection.sendall(next(text for word, text in reversed(dialogue.items()) if word in line))

    def handle(connection: socket.socket) -> None:
        answer(connection, b"")
        while (line := read_line(connection)) and b"STARTTLS" not in line:
            answer(connection, line)
        if context is None:
            connection.sendall(b"454 4.7.0 TLS not available\r\n")
            read_line(connection)
            return
        answer(connection, line)
        with context.wrap_socket(connection, server_side=True) as secure:
            answer(secure, read_line(secure))
            with contextlib.suppress(OSError):
                secure.unwrap()

    return handle


def connect_proxy(to_port: int) -> Callable[[socket.socket], None]:
    """An HTTP proxy that takes every CONNECT to one place."""

    def handle(connection: socket.socket) -> None:
        while read_line(connection).strip():
            pass
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        splice(connection, socket.create_connection(("127.0.0.1", to_port)))

    return handle
