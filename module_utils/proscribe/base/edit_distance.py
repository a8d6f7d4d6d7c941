"""Distance between two words, counted in typing mistakes."""

from __future__ import annotations


def count_edits(first: str, second: str, limit: int) -> int:
    """Count the typing mistakes that turn one word into the other.

    A mistake inserts, deletes or replaces a letter, or swaps it with its neighbour. A count above `limit` is returned
    as `limit + 1`.
    """
    if abs(len(first) - len(second)) > limit:
        return limit + 1
    # The table of edits, row by row: `row[n]` is the number of edits from the letters of `first` read so far to the
    # first n letters of `second`.
    previous_row: list[int] = []
    row = list(range(len(second) + 1))
    for row_number, letter in enumerate(first, 1):
        row_before_previous, previous_row, row = previous_row, row, [row_number]
        for column, other_letter in enumerate(second, 1):
            edits = min(previous_row[column] + 1, row[-1] + 1, previous_row[column - 1] + (letter != other_letter))
            if row_number > 1 and column > 1 and letter == second[column - 2] and first[row_number - 2] == other_letter:
                edits = min(edits, row_before_previous[column - 2] + 1)
            row.append(edits)
        if min(row) > limit:  # later rows have no smaller numbers
            return limit + 1
    return min(row[-1], limit + 1)
