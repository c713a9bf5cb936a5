"""Signatures of model files: whose model it is.

A model holds the target's definition, which ``generate`` carries out: who can alter a model file can have SQL run as
the target's owner. A digest finds accidents; a signature finds people. Keys are Ed25519 keys in PEM files, as OpenSSL
makes them; the package ``cryptography`` does the arithmetic, and is needed only by those who sign.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dbclone.errors import ConfigurationError

MAKE_KEYS = "openssl genpkey -algorithm ed25519 -out model.key; openssl pkey -in model.key -pubout -out model.pub"
"""How people make a pair of keys."""


def sign(message: bytes, private_key: Path) -> str:
    """Return the signature (base64) of ``message``. Raises ConfigurationError if the file holds no private key."""
    return base64.b64encode(read_private_key(private_key).sign(message)).decode()


def read_private_key(private_key: Path) -> Ed25519PrivateKey:
    """Return the private key in a file. Raises ConfigurationError if it holds none."""
    data = _read(private_key)
    try:
        key = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{private_key} is not an unencrypted Ed25519 private key; to make one: {MAKE_KEYS}")
    return key


def require_signature(file: Path, signature: Any, message: bytes, public_key: Path) -> None:
    """Raise ConfigurationError unless ``signature`` of ``file`` is the key owner's of ``message``."""
    data = _read(public_key)
    try:
        key = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{public_key} is not an Ed25519 public key; make a pair with: {MAKE_KEYS}")
    if not isinstance(signature, str):
        raise ConfigurationError(f"{file} is not signed: train it with --sign, or leave out --require-signature")
    try:
        key.verify(base64.b64decode(signature, validate=True), message)
    except (InvalidSignature, binascii.Error, ValueError):
        raise ConfigurationError(f"{file} was not signed by the owner of {public_key}: do not use it") from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot read the key {path}: {error.strerror}") from error
