"""Which conversations become captures? One entry a capture: who speaks, with which options, and what goes wrong."""

import contextlib
import functools
import socket
import ssl
import time
from collections.abc import Callable, Iterator

from lab import stacks
from lab.pki import HOST
from lab.quic import converse
from lab.relay import abort
from lab.stacks import REQUEST, SERVER, Running, Scene, curl, direct, free_port, java_client, openssl_client
from lab.wire import Conversation, Endpoint, Segment

Make = Callable[[Scene], None]

ASK = "-verify 3 -CAfile ca.pem"
"""s_server asks for a client certificate and takes none, too."""
INSIST = "-Verify 3 -verify_return_error -CAfile ca.pem"
"""s_server asks for a client certificate, insists, and checks it."""
PSK = "-psk 000102030405060708090a0b0c0d0e0f"
WEAK = "-cipher DEFAULT@SECLEVEL=0"
"""What OpenSSL 3 wants to hear before it speaks TLS 1.1 and older."""
PACKETS, SMALL = "-mtu 1400", "-mtu 500"
"""How large datagrams are."""
SMTP, IMAP, PROXY = (Endpoint(SERVER.ip, port) for port in (25, 143, 3128))
MUTUAL_PORT = Endpoint(SERVER.ip, 8443)
ANOTHER_HOST = Endpoint("198.51.100.8", 8443)


@contextlib.contextmanager
def s_server(
    scene: Scene, options: str, identity: str = "server", at: Endpoint = SERVER
) -> Iterator[tuple[Running, int]]:
    """s_server behind a relay: the program, and the port for clients."""
    port = free_port()
    with scene.start(stacks.openssl_server(port, options, identity)) as server, scene.relay(port, at) as near:
        yield server, near


def openssl(
    server: str,
    client: str = "",
    *,
    identity: str = "server",
    client_identity: str = "",
    host: str = HOST,
    say: bytes = REQUEST,
    connections: tuple[str, ...] = ("",),
) -> Make:
    """s_client fetches a small file from s_server, once with each of the further options `connections`."""

    def make(scene: Scene) -> None:
        with s_server(scene, f"-WWW {server}", identity) as (_, near):
            for options in connections:
                scene.run(openssl_client(near, f"-quiet {client} {options}", client_identity, host), say)

    return make


def fails(server: str, client: str = "", identity: str = "server", client_identity: str = "") -> Make:
    """s_client has no request: one that crosses the refusal would turn the server's FIN into an RST."""
    return openssl(server, client, identity=identity, client_identity=client_identity, say=b"")


def resumes(server: str, client: str = "", client_identity: str = "") -> Make:
    """s_client keeps the session of its first connection and offers it in the second."""
    sessions = ("-sess_out session.pem", "-sess_in session.pem")
    return openssl(server, client, client_identity=client_identity, connections=sessions)


def early_data(accepted: bool) -> Make:
    """s_client sends early data in its second connection; a server that was restarted cannot read the ticket."""

    def connect(server: Running, near: int, options: str, scene: Scene) -> None:
        with scene.start(openssl_client(near, f"-tls1_3 {options}")) as client:
            client.say(b"hello\n")
            server.wait_for(b"hello")
            server.say(b"welcome\n")
            client.wait_for(b"welcome")  # and so it has the tickets
            client.say(b"Q\n")
            client.finish()

    def make(scene: Scene) -> None:
        (scene.directory / "early").write_bytes(b"early\n")
        again = "-sess_in session.pem -early_data early"
        with s_server(scene, "-tls1_3 -early_data") as (server, near):
            connect(server, near, "-sess_out session.pem", scene)
            if accepted:
                connect(server, near, again, scene)
        if not accepted:
            with s_server(scene, "-tls1_3 -early_data") as (server, near):
                connect(server, near, again, scene)

    return make


def asks_later(version: str, command: bytes, client: str = "") -> Make:
    """s_server is told to ask for a certificate when the client has already spoken."""

    def make(scene: Scene) -> None:
        options = f"{version} -CAfile ca.pem -no_resumption_on_reneg"
        with (
            s_server(scene, options) as (server, near),
            scene.start(openssl_client(near, f"{version} {client}", "client")) as talking,
        ):
            talking.say(b"first\n")
            server.wait_for(b"first")
            server.say(command)
            server.wait_for(b"Example Root CA")  # it has the client's certificate
            talking.say(b"second\n")
            server.wait_for(b"second")
            talking.say(b"Q\n")
            talking.finish()

    return make


def with_curl(server: str, identity: str) -> Make:
    """curl fetches from s_server."""

    def make(scene: Scene) -> None:
        with s_server(scene, f"-WWW {server}", identity) as (_, near):
            scene.run(curl(direct(near)))

    return make


def with_nginx(server: str = "", client_identity: str = "", scheme: str = "https") -> Make:
    """curl fetches from nginx's TLS port."""
    block = f"ssl; ssl_certificate server.chain.pem; ssl_certificate_key server.key; {server}"

    def make(scene: Scene) -> None:
        with stacks.nginx(scene, block) as port, scene.relay(port) as near:
            scene.run(curl(direct(near), url=f"{scheme}://{HOST}:443/hello", identity=client_identity))

    return make


def with_java(server: str, version: str, at: Endpoint) -> Make:
    """A Java client with a certificate fetches from s_server."""

    def make(scene: Scene) -> None:
        with s_server(scene, f"-WWW {server}", at=at) as (_, near):
            scene.run(java_client(near, version, "client", "mydomain.my.example.com"))

    return make


def with_gnutls(scene: Scene) -> None:
    """gnutls-cli and gnutls-serv, both with certificates."""
    port = free_port()
    with (
        scene.start(stacks.gnutls_server(port)),
        scene.relay(port) as near,
        scene.start(stacks.gnutls_client(near)) as client,
    ):
        client.say(b"hello\n")
        client.wait_for(b"hello")
        client.hang_up()
        client.finish()


def with_node(scene: Scene) -> None:
    """s_client offers Node a certificate that it does not trust."""
    port = free_port()
    with scene.start(stacks.node_server(port)), scene.relay(port) as near:
        scene.run(openssl_client(near, "-quiet -tls1_3", "client-other-issuer"))


def mail(protocol: str, farewell: bytes, version: ssl.TLSVersion, at: Endpoint, client_identity: str = "") -> Make:
    """s_client upgrades a connection to a mail server in Python."""

    def make(scene: Scene) -> None:
        context = stacks.server_context(scene, asks=bool(client_identity))
        context.minimum_version = context.maximum_version = version
        with scene.thread(stacks.mail_server(protocol, context)) as port, scene.relay(port, at) as near:
            options = f"-quiet -starttls {protocol} -name client.example.com"
            scene.run(openssl_client(near, options, client_identity, "mail.example.com"), farewell)

    return make


def starttls_refused(scene: Scene) -> None:
    """curl insists on TLS; the mail server offers it and then refuses."""
    with scene.thread(stacks.mail_server("smtp", None)) as port, scene.relay(port, SMTP) as near:
        scene.run(curl(direct(near), "--ssl-reqd", "smtp://mail.example.com/client.example.com"))


def http_connect(scene: Scene) -> None:
    """curl goes through a proxy; the capture is taken between these two."""
    port = free_port()
    with (
        scene.start(stacks.openssl_server(port, f"-WWW -tls1_2 {INSIST}")),
        scene.thread(stacks.connect_proxy(port)) as proxy,
        scene.relay(proxy, PROXY) as near,
    ):
        scene.run(curl(stacks.proxied(near), identity="client"))


def proxy_protocol(scene: Scene) -> None:
    """Python announces another client's address, as a balancer does; nginx expects it."""
    block = "ssl proxy_protocol; ssl_certificate server.chain.pem; ssl_certificate_key server.key;"
    with stacks.nginx(scene, block) as port, scene.relay(port) as near, connect(near) as connection:
        connection.sendall(b"PROXY TCP4 203.0.113.9 198.51.100.7 40000 443\r\n")
        with stacks.client_context(scene).wrap_socket(connection, server_hostname=HOST) as secure:
            secure.sendall(REQUEST)
            while secure.recv(4096):
                pass


def name_mismatch(scene: Scene) -> None:
    """Python asks for a name that the certificate does not have."""
    context = stacks.client_context(scene)
    refused = contextlib.suppress(ssl.SSLCertVerificationError)
    with s_server(scene, "-WWW -tls1_2") as (_, near), connect(near) as connection, refused:
        context.wrap_socket(connection, server_hostname="shop.example.com")


def tls_on_plaintext_port(scene: Scene) -> None:
    """s_client speaks TLS to a port of nginx that knows plaintext HTTP only."""
    with stacks.nginx(scene, ";") as port, scene.relay(port) as near:
        scene.run(openssl_client(near, "-quiet"))


def closed_after_hello(scene: Scene) -> None:
    """The server reads the hello and closes without a word."""
    with scene.thread(lambda connection: connection.recv(65536)) as port, scene.relay(port) as near:
        scene.run(openssl_client(near, "-quiet"))


def reset_in_handshake(scene: Scene) -> None:
    """The client resets the connection once it has the server's whole flight."""
    context = stacks.client_context(scene)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=HOST).do_handshake()
    with s_server(scene, f"-tls1_2 {INSIST}") as (_, near):
        connection = connect(near)
        connection.sendall(outgoing.read())
        received = b""
        while not received.endswith(b"\x0e\x00\x00\x00"):  # ServerHelloDone
            received += connection.recv(65536)
        abort(connection)


def connection_refused(scene: Scene) -> None:
    """Nobody listens."""
    with scene.relay(free_port(), patience=0) as near:
        scene.run(openssl_client(near, "-quiet"))


def connection_unanswered(scene: Scene) -> None:
    """Every SYN is dropped on its way; forged, at the times at which Linux would repeat it."""
    start = time.time_ns()
    for seconds in (0, 1, 3, 7):
        segments: list[Segment] = []
        Conversation(segments, Endpoint(stacks.CLIENT, 50000), SERVER).open(start + seconds * 10**9)
        scene.segments.append(segments[0])


def two_servers(scene: Scene) -> None:
    """The first server names no authorities; the second names another one, and Java declines."""
    with_java("-Verify 3 -verify_return_error -verifyCAfile ca.pem", "TLSv1.2", MUTUAL_PORT)(scene)
    with_java("-Verify 3 -verify_return_error -CAfile other.pem", "TLSv1.2", ANOTHER_HOST)(scene)


def datagrams(server: str, client: str = "", client_identity: str = "", lost: frozenset[int] = frozenset()) -> Make:
    """s_client says a word to s_server over DTLS 1.2; one that is refused says nothing."""

    def make(scene: Scene) -> None:
        port = free_port()
        with (
            scene.start(stacks.openssl_server(port, f"-dtls1_2 -timeout {server}")) as listening,
            scene.datagram_relay(port, lost) as near,
            scene.start(openssl_client(near, f"-dtls1_2 -timeout {client}", client_identity)) as talking,
        ):
            if client_identity or INSIST not in server:
                talking.say(b"hello\n")
                listening.wait_for(b"hello")
                talking.say(b"Q\n")
            talking.finish()

    return make


def connect(port: int) -> socket.socket:
    """A plain connection."""
    return socket.create_connection(("127.0.0.1", port), timeout=10)


SCENARIOS: dict[str, Make] = {
    # one-way
    "one-way-tls10": openssl(f"-tls1 {WEAK}", f"-tls1 {WEAK}"),
    "one-way-tls11": openssl(f"-tls1_1 {WEAK}", f"-tls1_1 {WEAK}"),
    "one-way-tls12": openssl("-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256"),
    "one-way-tls12-rsa": openssl("-tls1_2 -cipher AES128-GCM-SHA256", identity="server-rsa"),
    "one-way-tls12-dhe": openssl("-tls1_2 -cipher DHE-RSA-AES128-GCM-SHA256", identity="server-rsa"),
    "one-way-tls13": openssl("-tls1_3"),
    "one-way-tls13-nginx": with_nginx("ssl_protocols TLSv1.3;"),
    # mutual
    "mutual-tls10": openssl(f"-tls1 {WEAK} {INSIST}", f"-tls1 {WEAK}", client_identity="client"),
    "mutual-tls12": openssl(f"-tls1_2 {INSIST}", client_identity="client"),
    "mutual-tls12-rsa": openssl(
        f"-tls1_2 -cipher AES128-GCM-SHA256 {INSIST}", identity="server-rsa", client_identity="client-rsa"
    ),
    "mutual-tls12-nginx": with_nginx(
        "ssl_protocols TLSv1.2; ssl_verify_client on; ssl_verify_depth 3; ssl_client_certificate ca.pem;",
        client_identity="client",
    ),
    "mutual-tls13": openssl(f"-tls1_3 {INSIST}", client_identity="client"),
    "mutual-tls13-ccm8": openssl(
        f"-tls1_3 -ciphersuites TLS_AES_128_CCM_8_SHA256 {INSIST}",
        "-ciphersuites TLS_AES_128_CCM_8_SHA256",
        client_identity="client",
    ),
    "mutual-tls13-chacha20": openssl(
        f"-tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 {INSIST}", client_identity="client-ed25519"
    ),
    "mutual-tls13-gnutls": with_gnutls,
    "mutual-tls13-java": with_java(f"-tls1_3 {INSIST}", "TLSv1.3", SERVER),
    "mutual-tls13-padded": openssl(
        f"-tls1_3 -record_padding 512 {INSIST}", "-record_padding 512", client_identity="client"
    ),
    # the client is asked and has nothing to show
    "requested-not-provided-tls12": openssl(f"-tls1_2 {ASK}"),
    "requested-not-provided-tls13": openssl(f"-tls1_3 {ASK}"),
    "client-certificate-missing-tls12": fails(f"-tls1_2 {INSIST}"),
    "client-certificate-missing-tls13": fails(f"-tls1_3 {INSIST}"),
    "client-certificate-missing-nginx": with_nginx(
        "ssl_protocols TLSv1.3; ssl_verify_client on; ssl_client_certificate ca.pem;"
    ),
    "client-certificate-filtered": with_java(
        "-tls1_2 -Verify 3 -verify_return_error -CAfile other.pem", "TLSv1.2", MUTUAL_PORT
    ),
    "two-servers": two_servers,
    # the client's certificate is refused
    "client-certificate-expired-tls12": fails(f"-tls1_2 {INSIST}", client_identity="client-expired"),
    "client-certificate-expired-tls13": fails(f"-tls1_3 {INSIST}", client_identity="client-expired"),
    "client-certificate-revoked": fails(f"-tls1_2 {INSIST} -crl_check -CRL crl.pem", client_identity="client-revoked"),
    "client-certificate-self-signed": fails(f"-tls1_2 {INSIST}", client_identity="client-self-signed"),
    "client-certificate-wrong-usage": fails(f"-tls1_2 {INSIST}", client_identity="client-wrong-usage"),
    "client-chain-incomplete-tls12": fails(f"-tls1_2 {INSIST}", client_identity="-client"),
    "client-chain-incomplete-tls13": fails(f"-tls1_3 {INSIST}", client_identity="-client"),
    "client-issuer-unknown": fails(f"-tls1_2 {INSIST}", client_identity="client-other-issuer"),
    "client-issuer-unknown-node": with_node,
    # the server's certificate is refused
    "server-certificate-expired-tls12": fails("-tls1_2", identity="server-expired"),
    "server-certificate-expired-tls13": fails("-tls1_3", identity="server-expired"),
    "server-certificate-not-yet-valid": fails("-tls1_2", identity="server-not-yet-valid"),
    "server-certificate-self-signed": fails("-tls1_2", identity="server-self-signed"),
    "server-certificate-wrong-usage": fails("-tls1_2", identity="server-wrong-usage"),
    "server-chain-incomplete": with_curl("-tls1_2", identity="-server"),
    "server-issuer-unknown": with_curl("-tls1_2", identity="server-other-issuer"),
    "server-name-mismatch": name_mismatch,
    # nothing in common
    "no-common-version": fails("-tls1_2", "-tls1_3"),
    "no-common-cipher-suite": fails(
        "-tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256", "-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305"
    ),
    "no-common-group": fails("-tls1_3 -groups P-384", "-tls1_3 -groups X25519"),
    "no-common-alpn": fails("-tls1_2 -alpn h2", "-alpn http/1.1"),
    "server-name-unrecognized": openssl(
        "-tls1_2 -servername service.example.com -servername_fatal -cert2 server.pem -key2 server.key",
        host="shop.example.com",
        say=b"",
    ),
    # an earlier session is resumed
    "resumption-session-id": resumes("-tls1_2 -no_ticket", "-no_ticket"),
    "resumption-session-ticket": resumes("-tls1_2"),
    "resumption-session-ticket-mutual": resumes(f"-tls1_2 {INSIST}", client_identity="client"),
    "resumption-psk": resumes("-tls1_3"),
    "resumption-psk-mutual": resumes(f"-tls1_3 {INSIST}", client_identity="client"),
    "early-data-accepted": early_data(accepted=True),
    "early-data-rejected": early_data(accepted=False),
    # rarer ways through the handshake
    "hello-retry-request": openssl("-tls1_3 -groups P-256", "-groups X25519:P-256"),
    "hello-retry-request-mutual": openssl(
        f"-tls1_3 -groups P-256 {INSIST}", "-groups X25519:P-256", client_identity="client"
    ),
    "psk-tls12": openssl(f"-tls1_2 -cipher PSK-AES128-GCM-SHA256 {PSK}", f"-cipher PSK {PSK}", identity=""),
    "psk-tls13": openssl(f"-tls1_3 {PSK}", PSK, identity=""),
    "anonymous-tls12": openssl(
        "-tls1_2 -cipher AECDH-AES128-SHA@SECLEVEL=0", "-tls1_2 -cipher AECDH-AES128-SHA@SECLEVEL=0", identity=""
    ),
    "renegotiation-mutual": asks_later("-tls1_2", b"R\n"),
    "post-handshake-authentication": asks_later("-tls1_3", b"c\n", "-enable_pha"),
    # something is spoken before TLS, or instead of it
    "starttls-smtp": mail("smtp", b"QUIT\r\n", ssl.TLSVersion.TLSv1_3, SMTP),
    "starttls-imap-mutual": mail("imap", b"a LOGOUT\r\n", ssl.TLSVersion.TLSv1_2, IMAP, "client"),
    "starttls-refused": starttls_refused,
    "http-connect-mutual": http_connect,
    "proxy-protocol": proxy_protocol,
    "plaintext-on-tls-port": with_nginx(scheme="http"),
    "tls-on-plaintext-port": tls_on_plaintext_port,
    "closed-after-hello": closed_after_hello,
    "reset-in-handshake": reset_in_handshake,
    "connection-refused": connection_refused,
    "connection-unanswered": connection_unanswered,
    # over datagrams
    "one-way-dtls12": datagrams(f"{PACKETS} -cipher ECDHE-ECDSA-AES128-GCM-SHA256", PACKETS),
    "mutual-dtls12": datagrams(f"{PACKETS} {INSIST}", f"{PACKETS} -cipher ECDHE-ECDSA-CHACHA20-POLY1305", "client"),
    "client-certificate-missing-dtls12": datagrams(f"{PACKETS} {INSIST}", PACKETS),
    "lossy-dtls12": datagrams(f"{SMALL} {INSIST}", SMALL, "client", lost=frozenset((2, 4))),
    "one-way-quic": converse,
    "mutual-quic": functools.partial(converse, asks=True, identity="client"),
    "server-certificate-refused-quic": functools.partial(converse, trusts="other.pem"),
}
"""By the name of the capture, in the order in which `captures/manifest.toml` tells of them."""
