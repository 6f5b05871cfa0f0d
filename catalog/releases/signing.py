"""Sign the manifest of a release with ed25519, and check such signatures.

`manifest.json.sig` holds the 64 bytes of an ed25519 signature (RFC 8032) over the bytes of `manifest.json`, nothing
else. The manifest names the SHA-256 of every other file, so the signature covers all of it. Keys are PEM files (PKCS 8,
SubjectPublicKeyInfo); OpenSSL 3 checks a release without Safelight:

    openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in manifest.json -sigfile manifest.json.sig
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from catalog.errors import MissingPartError, SignatureError
from catalog.program_name import command_name
from catalog.releases.manifest import MANIFEST, SIGNATURE
from catalog.workspace.files import flush

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def make_key(path: Path) -> Path:
    """Write a new private key to `path` (readable by its owner only) and return its public half, `path`.pub.

    Raises `SignatureError` rather than overwrite a key.
    """
    _need_library()
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    public = path.with_name(f"{path.name}.pub")
    key = Ed25519PrivateKey.generate()
    pem = form.Encoding.PEM
    private_text = key.private_bytes(pem, form.PrivateFormat.PKCS8, form.NoEncryption())
    public_text = key.public_key().public_bytes(pem, form.PublicFormat.SubjectPublicKeyInfo)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise SignatureError(f"{path} exists already; a key is never overwritten") from error
    with os.fdopen(descriptor, "wb") as raw:
        raw.write(private_text)
    public.write_bytes(public_text)
    return public


def sign(folder: Path, key_file: Path) -> Path:
    """Sign the manifest of the release in `folder`; return the signature file."""
    signature = folder / SIGNATURE
    aside = signature.with_name(f".{SIGNATURE}.{os.getpid()}")
    aside.write_bytes(_private(key_file).sign((folder / MANIFEST).read_bytes()))
    flush(aside)
    aside.replace(signature)
    return signature


def check_signature(manifest: bytes, signature: bytes | None, key_file: Path, what: str) -> None:
    """Raise `SignatureError` unless the signature of `manifest` is that of the owner of a public key."""
    _need_library()
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(key_file.read_bytes())
    except (OSError, ValueError) as error:
        raise SignatureError(f"{key_file} is no public key: {error}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise SignatureError(f"{key_file} is not an ed25519 key")
    if signature is None:
        raise SignatureError(f"{what} is not signed, but a signature by {key_file} is asked for")
    try:
        key.verify(signature, manifest)
    except InvalidSignature as error:
        raise SignatureError(
            f"the signature of {what} is not by {key_file}, or its manifest was changed"
        ) from error


def _private(key_file: Path) -> "Ed25519PrivateKey":
    _need_library()
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SignatureError(
            f"{key_file} is no private key: {error}. Make one with: {command_name()} dataset keygen"
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SignatureError(f"{key_file} is not an ed25519 key")
    return key


def _need_library() -> None:
    try:
        import cryptography  # noqa: F401 - only whether it is there
    except ModuleNotFoundError as error:
        raise MissingPartError("cryptography", "sign") from error
