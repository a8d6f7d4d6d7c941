"""Removal of names that a reader may not see from texts of hosts and users."""

from __future__ import annotations

from collections.abc import Iterable

from ....base.lazy_patterns import compile_pattern

OMISSION_TEXT = "(left out)"
WORD_PATTERN = compile_pattern(r"[^\W_]+")
# A department may have the name "it". This frequent English word reveals nothing, so it is not removed.
ORDINARY_WORD = "it"


class _NameNode:
    """A node in a tree of names, word by word.

    `is_own` is None if no name ends here. It is True for a name that stays in texts, False for a hidden name.
    """

    def __init__(self) -> None:
        self.next_nodes: dict[str, _NameNode] = {}
        self.is_own: bool | None = None


class NameRedaction:
    """A filter that removes hidden names from texts.

    A name is matched by its words, whatever their case and the characters between them: `db_07`, `/srv/DB-07/x`. If
    several names begin at the same place of a text, the longest counts. So a longer name of `own_names`, which the
    reader may see, stays.
    """

    def __init__(self, hidden_names: Iterable[str], own_names: Iterable[str]) -> None:
        self._root_node = _NameNode()
        self._wordless_names: list[str] = []  # hidden names without letters and digits
        for names, is_own in ((hidden_names, False), (own_names, True)):
            for name in names:
                self._add_name(name, is_own)

    def _add_name(self, name: str, is_own: bool) -> None:
        """Add a name to the tree of names.

        A name without words is matched as it is. `is_own` is true for a name that stays in texts.
        """
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
        """Return a text in which OMISSION_TEXT replaces the hidden names."""
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
        """Return the word count of the longest name at a place of the text, and whether that name stays.

        The count is 0 if no name begins at the word `word_index`. `words` are the (start, end) of all words.
        """
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
