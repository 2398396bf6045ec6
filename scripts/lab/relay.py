"""How to record a conversation without the right to sniff? A relay between both ends writes down what it carries."""

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from lab.wire import Conversation, Datagram, Endpoint, Segment, Sender

PATIENCE = 10.0
"""Seconds that a peer may be silent, or a server may take to start."""


class Relay:
    """Listens on a loopback port and carries every connection, one after the other, to a server on another.

    `segments` receives what a sniffer would have seen between the next of `clients` and `server`.
    Who closed first, by FIN or RST, is carried and kept. `refused` tells whether nobody listened
    on that other port for as long as `patience` (seconds).
    """

    def __init__(
        self,
        segments: list[Segment],
        to_port: int,
        clients: Iterator[Endpoint],
        server: Endpoint,
        patience: float = PATIENCE,
    ) -> None:
        self._segments, self._to_port, self._patience = segments, to_port, patience
        self._clients, self._server = clients, server
        self.refused = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(2 * PATIENCE)
        self._listener.close()

    def _run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                if self._closing.is_set():
                    return
                continue
            conversation = Conversation(self._segments, next(self._clients), self._server)
            far = self._connect()
            if far is None:
                self.refused = True
                conversation.refuse(time.time_ns())
                abort(near)
            else:
                conversation.open(time.time_ns())
                splice(near, far, conversation)

    def _connect(self) -> socket.socket | None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self._to_port))
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    return None
                time.sleep(0.02)


def splice(near: socket.socket, far: socket.socket, conversation: Conversation | None = None) -> None:
    """Carry bytes, FIN and RST both ways until both sides are done; `near` is the client's end."""
    sockets: dict[Sender, socket.socket] = {"client": near, "server": far}
    resetter = carry(sockets, conversation)
    if resetter and conversation:
        conversation.reset(time.time_ns(), resetter)
    for end in sockets.values():
        if resetter:
            abort(end)
        else:
            end.close()


def carry(sockets: dict[Sender, socket.socket], conversation: Conversation | None) -> Sender | None:
    """Carry bytes and FINs both ways; who resets the connection, if one does."""
    speaking: set[Sender] = {"client", "server"}

    def receive(sender: Sender) -> bytes:
        data = sockets[sender].recv(65536)
        if conversation and data:
            conversation.send(time.time_ns(), sender, data)
        return data

    with selectors.DefaultSelector() as selector:
        for side, end in sockets.items():
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            selector.register(end, selectors.EVENT_READ, side)
        while speaking and (ready := selector.select(PATIENCE)):
            for key, _ in ready:
                sender: Sender = key.data
                other: Sender = "server" if sender == "client" else "client"
                try:
                    data = receive(sender)
                except ConnectionError:
                    return sender
                if not data:
                    if conversation:
                        conversation.close(time.time_ns(), sender)
                    speaking.discard(sender)
                    selector.unregister(key.fileobj)
                    with contextlib.suppress(OSError):
                        sockets[other].shutdown(socket.SHUT_WR)
                    continue
                try:
                    sockets[other].sendall(data)
                except ConnectionError:
                    with contextlib.suppress(ConnectionError):  # what it said before the RST still counts
                        while other in speaking and receive(other):
                            pass
                    return other
                # An end that is closed for good, not only for sending, answers data with an RST.
                if other not in speaking and sockets[other].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                    return other
    return None


def abort(end: socket.socket) -> None:
    """Close with an RST."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


class DatagramRelay:
    """Receives datagrams of one client on a loopback port and carries them to a server on another, and back.

    `datagrams` receives what a sniffer beside the client would have seen between `client` and `server`. Of the
    server's, those in `lost` (counted from 0) are lost on their way there.
    """

    def __init__(
        self,
        datagrams: list[Datagram],
        to_port: int,
        client: Endpoint,
        server: Endpoint,
        lost: frozenset[int] = frozenset(),
    ) -> None:
        self._datagrams, self._ends, self._lost = datagrams, (client, server), lost
        self._near, self._far = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self._near.bind(("127.0.0.1", 0))
        self._to = ("127.0.0.1", to_port)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.port: int = self._near.getsockname()[1]

    def __enter__(self) -> Self:
        deadline = time.monotonic() + PATIENCE
        while _is_free(self._to) and time.monotonic() < deadline:  # the server has not started
            time.sleep(0.02)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join(2 * PATIENCE)
        self._near.close()
        self._far.close()

    def _run(self) -> None:
        client = ("127.0.0.1", 0)
        answers = 0
        with selectors.DefaultSelector() as selector:
            for end in (self._near, self._far):
                selector.register(end, selectors.EVENT_READ)
            while not self._closing.is_set():
                for key, _ in selector.select(0.05):
                    if key.fileobj is self._near:
                        payload, client = self._near.recvfrom(65536)
                        self._note(*self._ends, payload)
                        self._far.sendto(payload, self._to)
                        continue
                    payload = self._far.recv(65536)
                    if answers not in self._lost:
                        self._note(*reversed(self._ends), payload)
                        self._near.sendto(payload, client)
                    answers += 1

    def _note(self, source: Endpoint, destination: Endpoint, payload: bytes) -> None:
        now = time.time_ns()
        if self._datagrams:  # a capture file knows microseconds, and no two of these at once
            now = max(now, self._datagrams[-1].time + 1000)
        self._datagrams.append(Datagram(now, source, destination, payload))


def _is_free(address: tuple[str, int]) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
    return True
