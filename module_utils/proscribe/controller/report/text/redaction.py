"""Removal of names that a reader may not see from texts of hosts and users."""

from __future__ import annotations

from collections.abc import Iterable

from ....base.lazy_patterns import compile_pattern

OMISSION_TEXT = "(left out)"
WORD_PATTERN = compile_pattern(r"[^\W_]+")
ORDINARY_WORD = "it"  # a possible name of a department, and a frequent word of English: alone it reveals nothing


class _NameNode:
    """A node of names by their words. A name that ends here is either removed or left."""

    def __init__(self) -> None:
        self.next_nodes: dict[str, _NameNode] = {}
        self.is_own: bool | None = None


class NameRedaction:
    """A filter that removes hidden names from texts.

    A name is matched by its words, whatever their case and the characters between them: `db_07`, `/srv/DB-07/x`. The
    longest name at a place counts, so that a longer name of `own_names` stays.
    """

    def __init__(self, hidden_names: Iterable[str], own_names: Iterable[str]) -> None:
        self._root_node = _NameNode()
        self._wordless_names: list[str] = []  # names without a word in them
        for names, is_own in ((hidden_names, False), (own_names, True)):
            for name in names:
                self._add_name(name, is_own)

    def _add_name(self, name: str, is_own: bool) -> None:
        words = WORD_PATTERN.findall(name.casefold())
        if words == [ORDINARY_WORD]:
            return
        if not words:
            self._wordless_names += [name] if name and not is_own else []
            return
        node = self._root_node
        for word in words:
            node = node.next_nodes.setdefault(word, _NameNode())
        node.is_own = is_own

    def redact_text(self, text: str) -> str:
        """Return a text without the hidden names."""
        words = [(match.start(), match.end()) for match in WORD_PATTERN.finditer(text)]
        parts: list[str] = []
        copied_until = word_index = 0
        while word_index < len(words):
            word_count, is_own = self._find_longest_name(text, words, word_index)
            if word_count and not is_own:
                parts += [text[copied_until : words[word_index][0]], OMISSION_TEXT]
                copied_until = words[word_index + word_count - 1][1]
            word_index += word_count or 1
        redacted_text = "".join(parts) + text[copied_until:]
        for wordless_name in self._wordless_names:
            redacted_text = redacted_text.replace(wordless_name, OMISSION_TEXT)
        return redacted_text

    def _find_longest_name(self, text: str, words: list[tuple[int, int]], word_index: int) -> tuple[int, bool]:
        """Return the number of words of the longest name at a place (0: no name), and whether it stays."""
        node, word_count, is_own = self._root_node, 0, False
        for length in range(1, len(words) - word_index + 1):
            start, end = words[word_index + length - 1]
            next_node = node.next_nodes.get(text[start:end].casefold())
            if next_node is None:
                break
            node = next_node
            if node.is_own is not None:
                word_count, is_own = length, node.is_own
        return word_count, is_own
