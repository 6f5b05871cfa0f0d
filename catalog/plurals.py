"""Write how many of something there are: "1 photo", "2,000 photos", "1 segment waits"."""

_IRREGULAR = {"is": "are", "was": "were", "has": "have", "does": "do", "this": "these"}
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def counted(n: int, noun: str, verb: str = "") -> str:
    """Write a number, with commas between the thousands, its noun, and a verb if there is one, given as for one.

    >>> counted(1, "photo"), counted(0, "row"), counted(1_201, "duplicate group"), counted(2, "batch")
    ('1 photo', '0 rows', '1,201 duplicate groups', '2 batches')
    >>> counted(1, "segment", "waits"), counted(3, "segment", "waits"), counted(2, "row", "is")
    ('1 segment waits', '3 segments wait', '2 rows are')
    """
    text = f"{n:,} {noun if n == 1 else _plural(noun)}"
    return f"{text} {verb if n == 1 else _plural_verb(verb)}" if verb else text


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(_SIBILANTS) else "s")


def _plural_verb(verb: str) -> str:
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    return (
        verb.removesuffix("es")
        if verb.endswith(("ches", "shes", "sses"))
        else verb.removesuffix("s")
    )
