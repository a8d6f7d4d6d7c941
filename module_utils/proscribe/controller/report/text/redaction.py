"""Names that a reader is not to learn, taken out of the texts that hosts and people wrote."""

from __future__ import annotations

from collections.abc import Iterable

from ....base.patterns import compile_pattern

LEFT_OUT = "(left out)"
WORD = compile_pattern(r"[^\W_]+")
ORDINARY = "it"  # a department's name, and a word of every other sentence: alone it gives nothing away


class _Node:
    """The names that go on from here, by their next word; and whether one of them ends here: to stay, or not."""

    def __init__(self) -> None:
        self.next: dict[str, _Node] = {}
        self.keep: bool | None = None


class Redaction:
    """Takes the `hidden` names out of texts. A name is found by its words, whatever is between them and in whatever
    case: `db_07`, `/srv/DB-07/x`. The longest name at a place counts, so that a longer one of `own` stays.
    """

    def __init__(self, hidden: Iterable[str], own: Iterable[str]) -> None:
        self._names = _Node()
        self._signs: list[str] = []  # names without a word in them
        for names, keep in ((hidden, False), (own, True)):
            for name in names:
                self._add(name, keep)

    def _add(self, name: str, keep: bool) -> None:
        words = WORD.findall(name.casefold())
        if words == [ORDINARY]:
            return
        if not words:
            self._signs += [name] if name and not keep else []
            return
        node = self._names
        for word in words:
            node = node.next.setdefault(word, _Node())
        node.keep = keep

    def text(self, text: str) -> str:
        """A text without these names."""
        words = [(found.start(), found.end()) for found in WORD.finditer(text)]
        parts: list[str] = []
        done = place = 0
        while place < len(words):
            length, keep = self._longest(text, words, place)
            if length and not keep:
                parts += [text[done : words[place][0]], LEFT_OUT]
                done = words[place + length - 1][1]
            place += length or 1
        cleared = "".join(parts) + text[done:]
        for sign in self._signs:
            cleared = cleared.replace(sign, LEFT_OUT)
        return cleared

    def _longest(self, text: str, words: list[tuple[int, int]], place: int) -> tuple[int, bool]:
        """How many words the longest name at a place has (0: there is none), and whether it stays."""
        node, found, keep = self._names, 0, False
        for length in range(1, len(words) - place + 1):
            start, end = words[place + length - 1]
            following = node.next.get(text[start:end].casefold())
            if following is None:
                break
            node = following
            if node.keep is not None:
                found, keep = length, node.keep
        return found, keep
