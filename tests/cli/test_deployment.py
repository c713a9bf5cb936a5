"""The examples of deployment: files that parse, commands that the command line takes, images as they are promised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import dbclone
from dbclone.config_file import read_call
from tests.command import ROOT
from tests.documented import commands, parse

DOCKER = ROOT / "docker"


def dockerfile() -> dict[str, list[str]]:
    """Return the instructions of each stage, by its name; those before the first are under an empty name."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", (DOCKER / "Dockerfile").read_text(), flags=re.MULTILINE))
    stages: dict[str, list[str]] = {"": []}
    for line in filter(None, text.splitlines()):
        if found := re.fullmatch(r"FROM (\S+) AS (\S+)", line):
            stages[found[2]] = [line]
        else:
            list(stages.values())[-1].append(line)
    return stages


def lineage(stages: dict[str, list[str]], name: str) -> list[str]:
    """Return all instructions of a stage, those of the stages that it is made from first."""
    base = stages[name][0].split()[1]
    return (lineage(stages, base) if base in stages else []) + stages[name]


def test_every_instruction_of_the_dockerfile_is_one_and_what_it_copies_is_there() -> None:
    known = {"ARG", "FROM", "ENV", "RUN", "COPY", "WORKDIR", "USER", "ENTRYPOINT", "CMD"}
    for lines in dockerfile().values():
        for line in lines:
            assert line.split()[0] in known, line
            if line.startswith("COPY ") and "--from" not in line:
                assert all((ROOT / name).exists() for name in line.split()[1:-1]), line


def test_what_is_copied_is_sent_to_the_builder_and_nothing_else() -> None:
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        name.removeprefix("./").rstrip("/")
        for lines in dockerfile().values()
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for name in line.split()[1:-1]
    }
    assert sent == copied


def test_both_images_run_as_a_user_with_a_client_and_only_one_has_sdv() -> None:
    stages = dockerfile()
    for name in ("generate", "train"):
        image = lineage(stages, name)
        assert image[-4] == "USER dbclone"
        assert image[-2] == 'ENTRYPOINT ["dbclone"]'
        assert any("postgresql-client" in line for line in image)
        assert f"COPY --from=build-{name} /opt/dbclone /opt/dbclone" in image
    lean = " ".join(lineage(stages, "build-generate"))
    assert "torch" not in lean
    assert "[mysql,train]" not in lean
    torch = next(line for line in stages["build-train"] if "torch" in line)
    assert torch.index("whl/cpu torch") < torch.index("[mysql,train]")


def containers(node: Any) -> Iterator[dict[str, Any]]:
    """Yield every container of a Kubernetes manifest."""
    if isinstance(node, dict):
        yield from node.get("containers", ())
        for value in node.values():
            yield from containers(value)
    elif isinstance(node, list):
        for item in node:
            yield from containers(item)


def examples() -> Iterator[tuple[str, list[str]]]:
    """Yield every command of dbclone in the examples, with the file that has it."""
    compose = yaml.safe_load((DOCKER / "compose.yaml").read_text())
    for service in compose["services"].values():
        if "build" in service:
            yield "compose.yaml", service["command"]
    for manifest in yaml.safe_load_all((DOCKER / "kubernetes/refresh.yaml").read_text()):
        for container in containers(manifest):
            yield "refresh.yaml", container["args"]
    github = yaml.safe_load((DOCKER / "ci/github.yml").read_text())
    steps = [step["run"] for job in github["jobs"].values() for step in job["steps"] if "run" in step]
    gitlab = yaml.safe_load((DOCKER / "ci/gitlab.yml").read_text())
    for name, lines in (("github.yml", steps), ("gitlab.yml", gitlab["refresh"]["script"])):
        for words in commands("\n".join(lines)):
            yield name, words


def test_every_command_of_the_examples_is_one() -> None:
    found = list(examples())
    assert {name for name, _ in found} == {"compose.yaml", "refresh.yaml", "github.yml", "gitlab.yml"}
    assert len(found) >= 8
    for _, arguments in found:
        parse(arguments)


def test_a_command_that_is_none_would_be_noticed() -> None:
    for arguments in (["clnoe"], ["clone", "--scael", "1"], ["config", "chek"]):
        with pytest.raises(AssertionError):
            parse(arguments)


def test_the_configuration_in_kubernetes_is_valid(tmp_path: Path) -> None:
    manifests = list(yaml.safe_load_all((DOCKER / "kubernetes/refresh.yaml").read_text()))
    file = tmp_path / "dbclone.yaml"
    text = manifests[0]["data"]["dbclone.yaml"]
    file.write_text(text.replace("/model/", f"{tmp_path}/"))
    call = read_call({}, file=file, environment={})
    assert (call.scale, call.on_existing) == (0.1, "truncate")
    assert call.model == call.save_model


def test_secrets_are_not_in_the_manifests() -> None:
    for manifest in yaml.safe_load_all((DOCKER / "kubernetes/refresh.yaml").read_text()):
        for container in containers(manifest):
            assert container["env"]
            assert all("secretKeyRef" in variable["valueFrom"] for variable in container["env"])


@pytest.mark.parametrize("file", sorted((DOCKER / "schedulers").glob("*.py")), ids=lambda file: file.name)
def test_scheduler_examples_call_what_there_is(file: Path) -> None:
    tree = ast.parse(file.read_text())
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "dbclone"
    }
    assert used
    assert used <= set(dbclone.__all__)
    calls = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("settings")
    ]
    for call in calls:
        dbclone.make_settings(
            **{keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords if keyword.arg}
        )
