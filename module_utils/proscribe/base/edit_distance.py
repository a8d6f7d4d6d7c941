"""Distance between two words in typing mistakes."""

from __future__ import annotations


def count_edits(first: str, second: str, most: int) -> int:
    """Return how many letters to insert, delete, replace or swap with their neighbour make one word of the other. More
    than `most` is returned as most + 1.
    """
    if abs(len(first) - len(second)) > most:
        return most + 1
    above: list[int] = []
    row = list(range(len(second) + 1))
    for place, letter in enumerate(first, 1):
        before, above, row = above, row, [place]
        for column, other in enumerate(second, 1):
            steps = min(above[column] + 1, row[-1] + 1, above[column - 1] + (letter != other))
            if place > 1 and column > 1 and letter == second[column - 2] and first[place - 2] == other:
                steps = min(steps, before[column - 2] + 1)
            row.append(steps)
        if min(row) > most:
            return most + 1
    return min(row[-1], most + 1)
