"""Which associations of DTLS and connections of QUIC does a capture hold, and when is one over? For `analysis`."""

from collections import OrderedDict

from analyzer.issues import Issues
from analyzer.net.conversations import Conversation, ConversationTable, Delivery
from analyzer.net.segments import DatagramBatch
from analyzer.settings import Limits
from analyzer.shares import ALONE, Share
from analyzer.tls.association import SHORTEST_SILENCE, Association
from analyzer.tls.dtls import columns as dtls_columns
from analyzer.tls.dtls.session import DtlsSession
from analyzer.tls.keyring import Keyring
from analyzer.tls.quic import columns as quic_columns

_REMEMBERED = 20_000
"""So many conversations that were let go are known by how many handshakes they had."""


class Associations:
    """Follows all conversations in which DTLS or QUIC is spoken, of which each speaks only one."""

    def __init__(self, limits: Limits, issues: Issues, keyring: Keyring, share: Share = ALONE) -> None:
        self._limits = limits
        self._issues = issues
        self._keyring = keyring
        self._table = ConversationTable(limits.bygone_connections, share)
        self._held = 0
        self._handshakes: OrderedDict[int, int] = OrderedDict()

    @property
    def conversations(self) -> int:
        """How many conversations there are, whatever they speak."""
        return self._table.opened

    def follow(self, batch: DatagramBatch) -> list[Association]:
        """Take a batch; returns those to which it brought something."""
        dtls, quic = dtls_columns.look(batch), quic_columns.look(batch)
        touched: list[Association] = []
        for delivery in self._table.sort(batch, dtls.may_hold | quic.may_hold, dtls.begins | quic.begins):
            conversation = delivery.conversation
            association: Association | None = conversation.follower
            if association is None:
                association = self._associate(conversation, is_quic=bool(quic.begins[delivery.rows[0]]))
                conversation.follower = association
            look = dtls if isinstance(association.session, DtlsSession) else quic
            fits = look.may_hold[delivery.rows]
            fitting = Delivery(conversation, delivery.rows[fits], delivery.directions[fits])
            association.arrive(batch, fitting, look.is_data)
            held = association.held
            self._held += held - association.counted
            association.counted = held
            touched.append(association)
        return touched

    def _associate(self, conversation: Conversation, *, is_quic: bool) -> Association:
        first = self._handshakes.get(conversation.name, 0)
        if not is_quic:
            return Association(conversation, DtlsSession(self._limits, self._keyring, first=first))
        from analyzer.tls.quic.association import QuicAssociation
        from analyzer.tls.quic.session import QuicSession

        return QuicAssociation(conversation, QuicSession(self._limits, self._keyring, first=first))

    def too_many(self) -> list[Association]:
        """Let go of those idle longest, as many as exceed the limits."""
        dropped: list[Association] = []
        excess, too_much = len(self._table) - self._limits.connections, self._held > self._limits.held_bytes // 2
        if excess <= 0 and not too_much:
            return dropped
        enough = self._limits.held_bytes * 3 // 8
        for association in self.all():
            if len(dropped) >= excess and (not too_much or self._held <= enough):
                break
            dropped.append(association)
            self.drop(association)
        if excess > 0:
            self._issues.add("connections", "Too many connections at once: the longest idle were let go.")
        if too_much:
            self._issues.add("held-bytes", "Too much to keep at once: the connections idle longest were let go.")
        return dropped

    def silent(self, since: int) -> list[Association]:
        """Let go of those that have been silent for long at this time."""
        dropped: list[Association] = []
        for association in self.all():
            if association.last_time >= since - SHORTEST_SILENCE:
                break
            if association.last_time >= since - association.silence:
                continue
            dropped.append(association)
            self.drop(association)
        return dropped

    def all(self) -> list[Association]:
        """Those that are followed, the longest idle first."""
        return [conversation.follower for conversation in self._table.idle()]

    def drop(self, association: Association) -> None:
        """Follow it no more."""
        conversation: Conversation = association.connection
        self._table.drop(conversation)
        self._held -= association.counted
        first, found = self._handshakes.pop(conversation.name, 0), len(association.session.handshakes)
        if first or found:
            self._handshakes[conversation.name] = first + found
        if len(self._handshakes) > _REMEMBERED:
            self._handshakes.popitem(last=False)

    def close(self, issues: Issues) -> None:
        """Say what it cost that numbers were forgotten."""
        if self._table.forgotten:
            message = "Too many conversations of datagrams: the stream number of a late one may be wrong."
            issues.add("bygone-connections", message, count=self._table.forgotten)
