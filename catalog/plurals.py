"""Write how many of something there are: "1 photo", "2,000 photos"."""

_IRREGULAR = {"is": "are", "was": "were", "has": "have", "it": "them"}
_SIBILANTS = ("s", "x", "z", "ch", "sh")


def counted(n: int, noun: str) -> str:
    """Write a number, with commas between the thousands, and its noun.

    >>> counted(1, "photo"), counted(0, "row"), counted(1_201, "duplicate group"), counted(2, "batch")
    ('1 photo', '0 rows', '1,201 duplicate groups', '2 batches')
    """
    return f"{n:,} {plural(n, noun)}"


def plural(n: int, noun: str) -> str:
    """Give the singular for 1, else the plural, of a noun or of a short verb.

    >>> plural(1, "copy"), plural(2, "copy"), plural(3, "key"), plural(2, "was")
    ('copy', 'copies', 'keys', 'were')
    """
    if n == 1:
        return noun
    if noun in _IRREGULAR:
        return _IRREGULAR[noun]
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return noun + ("es" if noun.endswith(_SIBILANTS) else "s")
