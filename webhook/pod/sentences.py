"""The sentences of a decision, as many of them as its readers get. Pure."""

from collections.abc import Sequence

MESSAGE_LIMIT = 4096
"""Characters of a message: a dozen or two of sentences. 16,000 hostPath volumes would make 3 MB of them."""

WARNINGS_LIMIT = 32
"""The API server passes on 4096 characters of warnings, 16 of full length (`review.WARNING_LIMIT`)."""


def joined(sentences: Sequence[str]) -> str:
    """A line for each sentence, cut at a quarter of the limit; past the limit, the number of the others.

    kubectl prints the lines of a refusal as they are. Sentences hold semicolons and commas themselves.
    """
    line_limit = MESSAGE_LIMIT // 4
    lines: list[str] = []
    room = MESSAGE_LIMIT - len("\nand 1000000 more problems")  # the last line must fit as well
    for sentence in sentences:
        line = " ".join(sentence.splitlines())  # before validation a name may hold a line break
        if len(line) > line_limit:
            line = line[: line_limit - 1] + "…"
        room -= len(line) + len("\n")
        if room < 0:
            return "\n".join([*lines, f"and {len(sentences) - len(lines)} more problems"])
        lines.append(line)
    return "\n".join(lines)


def few(warnings: Sequence[str]) -> tuple[str, ...]:
    if len(warnings) <= WARNINGS_LIMIT:
        return tuple(warnings)
    first = warnings[: WARNINGS_LIMIT - 1]
    return (*first, f"and {len(warnings) - len(first)} more warnings")
