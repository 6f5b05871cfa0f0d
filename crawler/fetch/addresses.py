"""Normalise addresses, so that one picture on the web has one name, and remove secrets from them."""

import hashlib
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

# Query parameters that grant access; they are never stored in a row.
_SECRETS = frozenset(
    {"client_id", "client_secret", "access_token", "api_key", "apikey", "key", "token"}
    | {"sig", "signature"}
)


def without_secrets(url: str) -> str:
    """Remove user names, passwords, keys, tokens and signatures from an address.

    >>> without_secrets("https://me:pw@a.org/p.jpg?w=9&client_id=K")
    'https://a.org/p.jpg?w=9'
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    if not any(name.lower() in _SECRETS for name, _ in query) and "@" not in parts.netloc:
        return url
    query_left = urlencode([(name, value) for name, value in query if name.lower() not in _SECRETS])
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query_left, ""))


_DEFAULT_PORTS = {"http": 80, "https": 443}


def normalised(address: str) -> SplitResult | None:
    """Normalise and split an address; null when it is not an HTTP address.

    Scheme and host are lower case, the scheme's default port and the fragment are removed, an empty path is `/`.
    Path and query do not change: servers may distinguish `%41` from `A`, and orders of parameters.

    >>> normalised("HTTP://Photos.Example:80/A.jpg#top").geturl()
    'http://photos.example/A.jpg'
    >>> normalised("photos.example/a.jpg") is None
    True
    """
    try:
        parts = urlsplit(address.strip())
        host, port = parts.hostname, parts.port
    except ValueError:  # a port that is not a number, a broken IPv6 address
        return None
    if parts.scheme not in _DEFAULT_PORTS or not host or any(c.isspace() for c in parts.netloc):
        return None
    user = parts.netloc.rpartition("@")[0]
    netloc = f"[{host}]" if ":" in host else host
    if port is not None and port != _DEFAULT_PORTS[parts.scheme]:
        netloc += f":{port}"
    netloc = f"{user}@{netloc}" if user else netloc
    return SplitResult(parts.scheme, netloc, parts.path or "/", parts.query, "")


def name_of(address: SplitResult) -> str:
    """Name a photo by its address; secrets in it are replaced by a hash of the whole address.

    >>> name_of(normalised("https://a.example/p?id=1"))
    'https://a.example/p?id=1'
    >>> name_of(normalised("https://me:pw@a.example/p"))
    'https://a.example/p#b89c38678cd67cc6'
    """
    whole = urlunsplit(address)
    public = without_secrets(whole)
    if public == whole:
        return whole
    return f"{public}#{hashlib.sha256(whole.encode()).hexdigest()[:16]}"
