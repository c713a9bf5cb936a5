"""Signed model files: read only if the owner of the key signed just this model."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from dbclone.errors import ConfigurationError
from dbclone.model.artifact import load_model, save_model
from tests.unit.grocer import grocer_model
from tests.unit.test_artifact import rewrite

PEM, RAW = serialization.Encoding.PEM, serialization.NoEncryption()


def key_pair(folder: Path, name: str, kind: type = ed25519.Ed25519PrivateKey) -> tuple[Path, Path]:
    """Write a private and a public key, as OpenSSL does."""
    key = kind.generate()
    private, public = folder / f"{name}.key", folder / f"{name}.pub"
    private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, RAW))
    public.write_bytes(key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def signed(tmp_path: Path) -> tuple[Path, Path]:
    """A signed model file, and the public key to trust."""
    private, public = key_pair(tmp_path, "ours")
    save_model(grocer_model(), tmp_path / "grocer.model", signing_key=private)
    return tmp_path / "grocer.model", public


def test_a_signed_model_is_read(signed: tuple[Path, Path]) -> None:
    file, public = signed
    assert load_model(file, trusted_key=public).plan == grocer_model().plan
    assert load_model(file).plan == grocer_model().plan


def test_another_key_is_not_trusted(signed: tuple[Path, Path], tmp_path: Path) -> None:
    _, stranger = key_pair(tmp_path, "strangers")
    with pytest.raises(ConfigurationError, match="was not signed by the owner"):
        load_model(signed[0], trusted_key=stranger)


def test_an_altered_model_is_not_trusted(signed: tuple[Path, Path]) -> None:
    """An attacker makes the digest right again, but has no key."""
    file, public = signed
    rewrite(file, lambda content: content.update({"arrays/0.npy": content["arrays/1.npy"]}), sign=True)
    with pytest.raises(ConfigurationError, match="was not signed by the owner"):
        load_model(file, trusted_key=public)


def test_an_unsigned_model_is_not_trusted(tmp_path: Path) -> None:
    _, public = key_pair(tmp_path, "ours")
    save_model(grocer_model(), tmp_path / "grocer.model")
    with pytest.raises(ConfigurationError, match="is not signed"):
        load_model(tmp_path / "grocer.model", trusted_key=public)


def test_files_that_are_no_keys_are_named(signed: tuple[Path, Path], tmp_path: Path) -> None:
    file, public = signed
    private, other = key_pair(tmp_path, "other", x25519.X25519PrivateKey)
    text = tmp_path / "text"
    text.write_text("no key")
    for wrong in (public, private, text):
        with pytest.raises(ConfigurationError, match=f"{wrong.name} is not an unencrypted Ed25519 private key"):
            save_model(grocer_model(), tmp_path / "unwritten.model", signing_key=wrong)
    for wrong in (other, text):
        with pytest.raises(ConfigurationError, match=f"{wrong.name} is not an Ed25519 public key"):
            load_model(file, trusted_key=wrong)
    with pytest.raises(ConfigurationError, match=r"cannot read the key .*nothing"):
        load_model(file, trusted_key=tmp_path / "nothing")
    assert not (tmp_path / "unwritten.model").exists()
