"""Credentials of the server's callers: tokens for programs, sessions for browsers.

A token comes from SAFELIGHT_SERVE_TOKEN (one, named `token`) or from a file of lines `name token`, which nobody else
may read. Only digests stay in memory. A session is a random cookie. It is created for a token and is lost when the
server ends.
"""

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from catalog.errors import UsageError
from catalog.web.http.settings import ServeSettings

SESSION_S = 12 * 3600
MIN_LENGTH = 16
VARIABLE = "SAFELIGHT_SERVE_TOKEN"
_MAX_SESSIONS = 10_000
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass
class Credentials:
    """The tokens by name (as digests) and the open sessions."""

    tokens: Mapping[str, bytes] = field(default_factory=dict)
    sessions: dict[str, tuple[str, float]] = field(default_factory=dict)

    @property
    def are_not_needed(self) -> bool:
        """Say whether the server has no tokens: possible on loopback only."""
        return not self.tokens

    def token_name(self, token: str) -> str | None:
        """Return the name of this token, None for a wrong one; both take the same time."""
        digest, match = _digest(token), None
        for name, valid_digest in self.tokens.items():
            if hmac.compare_digest(valid_digest, digest):
                match = name
        return match

    def open_session(self, name: str) -> str:
        """Begin a session; return the value of its cookie."""
        now = time.monotonic()
        for expired in [key for key, (_, end) in self.sessions.items() if end < now]:
            del self.sessions[expired]
        while len(self.sessions) >= _MAX_SESSIONS:
            del self.sessions[next(iter(self.sessions))]
        session = secrets.token_urlsafe(32)
        self.sessions[session] = (name, now + SESSION_S)
        return session

    def authenticate(self, authorization: str, session: str) -> str | None:
        """Return the caller's name by the Authorization header or the session cookie; None when neither is valid."""
        if self.are_not_needed:
            return "local"
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return self.token_name(token.strip())
        name, end = self.sessions.get(session, ("", 0.0))
        return name if end > time.monotonic() else None


def load_credentials(
    settings: ServeSettings, environment: Mapping[str, str] = os.environ
) -> Credentials:
    """Read the tokens; raises `UsageError` when none is set but one is needed, or when others may read the file."""
    tokens = _read_token_file(Path(settings.token_file).expanduser()) if settings.token_file else {}
    if token := environment.get(VARIABLE, "").strip():
        tokens["token"] = token
    for name, token in tokens.items():
        if len(token) < MIN_LENGTH:
            raise UsageError(
                f"the token {name!r} is shorter than {MIN_LENGTH} characters; make one with: "
                "python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            )
    if not tokens and settings.host not in _LOOPBACK:
        raise UsageError(
            f"--host {settings.host} is reached by others: set {VARIABLE}, or token_file in [serve] of safelight.toml, "
            "or stay on 127.0.0.1"
        )
    return Credentials({name: _digest(token) for name, token in tokens.items()})


def _read_token_file(path: Path) -> dict[str, str]:
    try:
        mode = path.stat().st_mode & 0o777
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"token_file cannot be read: {error}") from error
    if mode & 0o077:
        raise UsageError(f"others may read {path}: chmod 600 {path}")
    pairs = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise UsageError(f"{path} must hold lines of a name and a token: ada 6fK...")
    return {name: token for name, token in pairs}  # noqa: C416 - two words each, checked above


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
