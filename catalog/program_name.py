"""The name of the command in messages that advise one: what the user can type where the program was started."""

import os

VARIABLE = "SAFELIGHT_COMMAND"


def command_name() -> str:
    """Return the name that the starter of the program puts into SAFELIGHT_COMMAND, as `dev.py` does, or `safelight`."""
    return os.environ.get(VARIABLE, "").strip() or "safelight"
