"""Which associations of DTLS does a capture hold, and when is one over? For `api`, which wires the floors together."""

from collections import OrderedDict

from analyzer.issues import Issues
from analyzer.net.conversations import Conversation, ConversationTable
from analyzer.net.segments import DatagramBatch
from analyzer.settings import Limits
from analyzer.tls.association import Association
from analyzer.tls.dtls_columns import look
from analyzer.tls.keyring import Keyring

SILENCE = 600 * 1_000_000_000
"""Nanoseconds of capture time for which an association must be silent to be let go: nobody closes it for sure."""
_REMEMBERED = 20_000
"""So many conversations that were let go are known by how many handshakes they had."""


class Associations:
    """Follows all conversations in which DTLS is spoken."""

    def __init__(self, limits: Limits, issues: Issues, keyring: Keyring) -> None:
        self._limits = limits
        self._issues = issues
        self._keyring = keyring
        self._table = ConversationTable(limits.bygone_connections)
        self._held = 0
        self._handshakes: OrderedDict[int, int] = OrderedDict()

    @property
    def conversations(self) -> int:
        """How many conversations there are, DTLS or not."""
        return self._table.opened

    def follow(self, batch: DatagramBatch) -> list[Association]:
        """Take a batch; returns those to which it brought something."""
        seen = look(batch)
        touched: list[Association] = []
        for delivery in self._table.sort(batch, seen.may_hold, seen.begins):
            conversation = delivery.conversation
            association: Association | None = conversation.follower
            if association is None:
                first = self._handshakes.get(conversation.name, 0)
                association = Association(conversation, self._limits, self._keyring, first)
                conversation.follower = association
            association.arrive(batch, delivery, seen.is_data)
            held = association.held
            self._held += held - association.counted
            association.counted = held
            touched.append(association)
        return touched

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
            if association.last_time >= since - SILENCE:
                break
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

    def close(self) -> None:
        """Say what the limits cost."""
        if self._table.forgotten:
            message = "Too many conversations of datagrams: the stream number of a late one may be wrong."
            self._issues.add("bygone-connections", message, count=self._table.forgotten)
