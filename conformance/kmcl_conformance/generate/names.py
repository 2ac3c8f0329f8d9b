"""What armed reactions are going to use, and nobody else may touch until they have run."""

from __future__ import annotations

from kmcl_conformance.oracle import Judge
from kmcl_model.payload import TAGS, tag_of
from kmcl_model.stimuli import Act, Arm, Invoke, Reaction

from .driver import tags_in_use

__all__ = ["Names"]


class Names:
    """Packets and tags that armed reactions have set aside until they have run."""

    def __init__(self) -> None:
        self._armed: dict[tuple[str, str], list[Reaction]] = {}
        self._running: dict[tuple[str, str], Reaction] = {}
        self._packets: dict[str, frozenset[str]] = {"client": frozenset(), "server": frozenset()}
        self._tags: dict[str, frozenset[int]] = {"client": frozenset(), "server": frozenset()}
        self._asked: dict[tuple[str, str], int] = {}
        self._frees: set[str] = set()
        self._initializes: set[str] = set()
        self._limits: set[str] = set()

    def armed(self, endpoint: str, callback: str) -> bool:
        """Whether a reaction waits for the callback already."""
        return bool(self._armed.get((endpoint, callback)))

    def waiting(self) -> frozenset[tuple[str, str]]:
        """The ends and callbacks for which a reaction waits."""
        return frozenset([key for key, reactions in self._armed.items() if reactions])

    def packets(self, endpoint: str) -> frozenset[str]:
        """Packets that a reaction is going to send."""
        return self._packets[endpoint]

    def tags(self, endpoint: str) -> frozenset[int]:
        """Tags of messages that a reaction or a call not yet seen is going to send."""
        if not self._asked:
            return self._tags[endpoint]
        asked = [tag for (end, _), tag in self._asked.items() if end == endpoint]
        return self._tags[endpoint].union(asked)

    def frees(self, endpoint: str) -> bool:
        """Whether a reaction is going to free whatever packet completes."""
        return endpoint in self._frees

    def initializes(self, endpoint: str) -> bool:
        """Whether a reaction is going to initialise a packet in the caller's memory."""
        return endpoint in self._initializes

    def limits(self, endpoint: str) -> bool:
        """Whether a reaction is going to set the quota."""
        return endpoint in self._limits

    def free_tag(self, judge: Judge, sender: str) -> int:
        """The lowest tag that no live message of ``sender`` has, -1 if there is none."""
        used = tags_in_use(judge, sender) | self.tags(sender)
        return next((t for t in range(TAGS - 1) if t not in used), -1)

    def arm(self, stimulus: Arm) -> None:
        """A reaction was armed."""
        if not stimulus.reaction.sticky:
            key = (stimulus.endpoint, stimulus.callback)
            self._armed.setdefault(key, []).append(stimulus.reaction)
            self._recount(stimulus.endpoint)

    def ask(self, stimulus: Invoke) -> None:
        """A call is going to be made; where the implementation runs elsewhere, it shows later."""
        if stimulus.function == "VmbPacketSend":
            buffer = stimulus.arguments[1]
            assert isinstance(buffer, bytes)
            self._asked[stimulus.endpoint, stimulus.by] = tag_of(buffer)

    def call(self, endpoint: str, by: str) -> None:
        """A call was made."""
        if self._asked:
            self._asked.pop((endpoint, by), None)

    def enter(self, endpoint: str, activation: str, callback: str) -> None:
        """A handler runs; it takes the oldest reaction that waits for it."""
        waiting = self._armed.get((endpoint, callback))
        if waiting:
            self._running[endpoint, activation] = waiting.pop(0)

    def exit(self, endpoint: str, activation: str) -> None:
        """A handler has ended; what its reaction had set aside is free again."""
        if self._running.pop((endpoint, activation), None) is not None:
            self._recount(endpoint)

    def _recount(self, endpoint: str) -> None:
        reactions = [
            *(r for (e, _), queue in self._armed.items() if e == endpoint for r in queue),
            *(r for (e, _), r in self._running.items() if e == endpoint),
        ]
        acts = [s for r in reactions for s in r.steps if isinstance(s, Act)]
        named = [a for a in acts if a.function.startswith("VmbPacket")]
        sends = [a.arguments for a in acts if a.function == "VmbPacketSend"]
        for functions, ends in (
            (("VmbPacketInitialize",), self._initializes),
            (("VmbChannelSetTransactionQuota",), self._limits),
        ):
            ends.discard(endpoint)
            if any(a.function in functions for a in acts):
                ends.add(endpoint)
        self._frees.discard(endpoint)
        if any(a.function == "VmbPacketFree" and a.arguments[0] == "this" for a in named):
            self._frees.add(endpoint)
        self._packets[endpoint] = frozenset(
            str(a.arguments[0]) for a in named if a.arguments[0] != "this"
        )
        self._tags[endpoint] = frozenset(tag_of(a[1]) for a in sends if isinstance(a[1], bytes))
