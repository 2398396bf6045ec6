"""What do two ends of QUIC say to each other? Both are aioquic's, in this process, a millisecond apart.

aioquic is no dependency of the project: where it is not installed (`pip install aioquic`), these captures are kept.
"""

import ssl
import time
from collections.abc import Iterator
from typing import Any

from lab.pki import HOST
from lab.stacks import CLIENT, Scene, StackFailedError, StackMissingError
from lab.wire import Datagram, Endpoint

SERVER = Endpoint("198.51.100.7", 443)
_DELAY = 0.001
"""Seconds that a datagram takes."""
_PATIENCE = 5.0
"""Seconds that either end waits for something to come."""
_ROUNDS = 200


def converse(scene: Scene, *, asks: bool = False, identity: str = "", trusts: str = "ca.pem") -> None:
    """A client, with a certificate where it has an `identity`, sends a request and gets an answer."""
    try:
        from aioquic.quic.configuration import QuicConfiguration
        from aioquic.quic.connection import QuicConnection
    except ImportError:
        raise StackMissingError("aioquic is not installed") from None
    folder = scene.directory
    with (folder / "keys.log").open("a") as log:
        client = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=HOST, secrets_log_file=log)
        client.load_verify_locations(str(folder / trusts))
        if identity:
            client.load_cert_chain(str(folder / f"{identity}.chain.pem"), str(folder / f"{identity}.key"))
        server = QuicConfiguration(is_client=False, alpn_protocols=["h3"], verify_mode=ssl.CERT_NONE)
        server.load_cert_chain(str(folder / "server.chain.pem"), str(folder / "server.key"))
        _Pair(scene, QuicConnection(configuration=client), server, asks=asks).talk()


class _Pair:
    """Both ends, and the network between them."""

    def __init__(self, scene: Scene, client: Any, configuration: Any, *, asks: bool) -> None:
        self._scene, self._client, self._configuration, self._asks = scene, client, configuration, asks
        self._server: Any = None
        self._now = time.time()

    def talk(self) -> None:
        """Until nobody has anything more to say."""
        self._client.connect(tuple(SERVER), now=self._now)
        for _ in range(_ROUNDS):
            moved = [self._carry(datagram, by_client=True) for datagram in self._pending(self._client)]
            moved += [self._carry(datagram, by_client=False) for datagram in self._pending(self._server)]
            self._react()
            if not moved and not self._wait():
                return
        raise StackFailedError("the ends of QUIC do not come to an end")

    def _pending(self, end: Any) -> Iterator[bytes]:
        yield from (data for data, _ in (end.datagrams_to_send(self._now) if end is not None else ()))

    def _carry(self, data: bytes, *, by_client: bool) -> None:
        self._now += _DELAY
        client = Endpoint(CLIENT, 50000)
        source, destination = (client, SERVER) if by_client else (SERVER, client)
        self._scene.datagrams.append(Datagram(int(self._now * 10**6) * 1000, source, destination, data))
        if by_client and self._server is None:
            self._listen(data)
        (self._server if by_client else self._client).receive_datagram(data, tuple(source), now=self._now)

    def _listen(self, data: bytes) -> None:
        """The server exists from the client's first packet on."""
        from aioquic.buffer import Buffer
        from aioquic.quic.connection import QuicConnection
        from aioquic.quic.packet import pull_quic_header

        header = pull_quic_header(Buffer(data=data), host_cid_length=8)
        self._server = server = QuicConnection(
            configuration=self._configuration, original_destination_connection_id=header.destination_cid
        )
        begin = server._initialize

        def initialize(peer_id: bytes) -> None:
            begin(peer_id)
            server.tls._request_client_certificate = self._asks  # it has no option for that

        server._initialize = initialize

    def _react(self) -> None:
        """The client sends a request once it may, the server answers it, and then the client goes."""
        from aioquic.quic import events

        while event := self._client.next_event():
            if isinstance(event, events.HandshakeCompleted):
                self._client.send_stream_data(0, b"GET /hello\r\n", end_stream=True)
            elif isinstance(event, events.StreamDataReceived) and event.end_stream:
                self._client.close()
        while self._server is not None and (event := self._server.next_event()):
            if isinstance(event, events.StreamDataReceived) and event.end_stream:
                self._server.send_stream_data(event.stream_id, b"hello\n", end_stream=True)

    def _wait(self) -> bool:
        """Go on at the next timer, if that is soon."""
        ends = [end for end in (self._client, self._server) if end is not None and end.get_timer() is not None]
        soonest = min((end.get_timer() for end in ends), default=self._now + 2 * _PATIENCE)
        if soonest > self._now + _PATIENCE:
            return False
        self._now = max(self._now, soonest)
        for end in ends:
            if end.get_timer() is not None and end.get_timer() <= self._now:
                end.handle_timer(now=self._now)
        return True
