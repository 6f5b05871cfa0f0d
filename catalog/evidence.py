"""How much a verdict needs to rest on, the same in every room.

Pictures of one group (a photographer, a camera, a scene) are alike, so what counts is groups. With few of them an
interval says more about which groups happened to be there than about others like them.
"""

FEW_GROUPS = 10
"""With fewer groups there is no verdict."""

TOO_FEW = "too few groups to tell"
KNOWN_SHARE = 0.95
"""Of train and of test, for which a photographer or a camera must be known before test ones are called unseen."""


def known_text(kind: str, share: float) -> str:
    """Say of how many pictures a kind is known; empty where it is known of enough to judge.

    >>> known_text("photographer", 0.0), known_text("camera", 0.4), known_text("camera", 0.99)
    ('photographer unknown', 'camera known of 40 %', '')
    """
    if share >= KNOWN_SHARE:
        return ""
    # Rounded down: 94.9 % must not read as enough.
    return f"{kind} known of {int(100 * share)} %" if share >= 0.01 else f"{kind} unknown"
