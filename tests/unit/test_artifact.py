"""The model file: a whole model or a clear error; data, never code; and no row of the source."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dbclone.errors import ConfigurationError
from dbclone.generate.batches import Generator
from dbclone.model import artifact
from dbclone.model.artifact import load_model, save_model
from tests.unit.grocer import HOUSEHOLD, grocer_model, grocer_sample


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_model(grocer_model(), tmp_path / "grocer.model")
    return tmp_path / "grocer.model"


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(file: Path, change: Callable[[dict[str, bytes]], None], *, sign: bool = False) -> None:
    """Change the members of a model file; ``sign`` makes the digest right again, as an attacker would."""
    content = members(file)
    change(content)
    if sign:
        header = json.loads(content["header.json"])
        header["digest"] = artifact._digest({k: v for k, v in content.items() if k != "header.json"})
        content["header.json"] = json.dumps(header).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def test_a_model_that_was_saved_makes_the_same_rows(file: Path) -> None:
    before, after = Generator(grocer_model(), seed=3), Generator(load_model(file), seed=3)
    assert [b.rows for b in before.batches()] == [b.rows for b in after.batches()]


def test_equal_models_are_equal_files(file: Path, tmp_path: Path) -> None:
    save_model(load_model(file), tmp_path / "again.model")
    assert file.read_bytes() == (tmp_path / "again.model").read_bytes()


def test_no_string_of_a_source_row_is_in_the_file(file: Path) -> None:
    content = b"".join(members(file).values())
    addresses = grocer_sample().tables[HOUSEHOLD].rows["email"].to_pylist()
    assert not [address for address in addresses if address.encode() in content]
    assert b"north" in content  # a category that many rows share


def test_there_is_nothing_to_unpickle(file: Path) -> None:
    for name, data in members(file).items():
        assert name.endswith((".json", ".npy"))
        if name.endswith(".npy"):
            assert np.load(io.BytesIO(data), allow_pickle=False).dtype.kind in "biuf"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no model file .*nothing\.model"):
        load_model(tmp_path / "nothing.model")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_truncated_file_is_refused(file: Path, share: float) -> None:
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ConfigurationError, match="truncated or damaged"):
        load_model(file)


def test_an_altered_file_is_refused(file: Path) -> None:
    rewrite(file, lambda content: content.update({"arrays/0.npy": content["arrays/1.npy"] + b" "}))
    with pytest.raises(ConfigurationError, match="altered"):
        load_model(file)


def test_another_version_is_refused_with_both_numbers(file: Path) -> None:
    def newer(content: dict[str, bytes]) -> None:
        content["header.json"] = json.dumps({**json.loads(content["header.json"]), "version": 99}).encode()

    rewrite(file, newer)
    with pytest.raises(ConfigurationError, match="version 99, this dbclone reads 1"):
        load_model(file)


def test_a_zip_that_is_no_model_is_refused(file: Path) -> None:
    rewrite(file, lambda content: content.update({"header.json": b'{"format": "something else"}'}))
    with pytest.raises(ConfigurationError, match="is not a dbclone model"):
        load_model(file)


def test_a_pickle_inside_is_not_read(file: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.array([{"code": 1}], dtype=object), allow_pickle=True)
    rewrite(file, lambda content: content.update({"arrays/0.npy": buffer.getvalue()}), sign=True)
    with pytest.raises(ConfigurationError, match="does not describe a model"):
        load_model(file)


def test_a_class_that_is_no_part_of_a_model_is_not_built(file: Path) -> None:
    rewrite(file, lambda content: content.update({"model.json": b'{"$": "Path", "name": "x"}'}), sign=True)
    with pytest.raises(ConfigurationError, match="does not describe a model"):
        load_model(file)


def test_a_model_of_wrong_types_is_refused(file: Path) -> None:
    """Whatever the digest says: a field is of its own type, or the file is no model."""

    def alter(content: dict[str, bytes]) -> None:
        document = json.loads(content["model.json"])
        document["plan"]["tables"][0]["rows"] = "many"
        content["model.json"] = json.dumps(document).encode()

    rewrite(file, alter, sign=True)
    with pytest.raises(ConfigurationError, match="does not describe a model") as caught:
        load_model(file)
    assert str(caught.value.__cause__) == "TablePlan: rows"


def test_json_without_end_is_refused(file: Path) -> None:
    rewrite(file, lambda content: content.update({"model.json": b"[" * 100_000}), sign=True)
    with pytest.raises(ConfigurationError, match="does not describe a model"):
        load_model(file)


def test_an_array_is_as_large_as_its_bytes(file: Path) -> None:
    """A header may claim any size: nothing is set aside for it before the bytes were counted."""
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, header)
    rewrite(file, lambda content: content.update({"arrays/0.npy": buffer.getvalue()}), sign=True)
    with pytest.raises(ConfigurationError, match="does not describe a model"):
        load_model(file)


def test_a_bomb_is_not_unpacked(file: Path) -> None:
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive, archive.open("arrays/bomb.npy", "w") as member:
        for _ in range(artifact.MOST_BYTES // 2**24 + 1):
            member.write(bytes(2**24))
    assert file.stat().st_size < 2**24
    with pytest.raises(ConfigurationError, match="more than any model has"):
        load_model(file)


def test_names_inside_are_no_paths(file: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.parent.rglob("*"))
    rewrite(
        file, lambda content: content.update({"arrays/../../../escaped.npy": b"x", "/etc/escaped": b"x"}), sign=True
    )
    with pytest.raises(ConfigurationError, match="does not describe a model"):
        load_model(file)
    assert sorted(tmp_path.parent.rglob("*")) == before
