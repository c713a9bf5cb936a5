"""Talk on stderr: a line per stage, or a JSON object per event; quiet says nothing and still remembers."""

from __future__ import annotations

import io
import json

from dbclone.events import Checked, Progress, Said, StageFinished, StageStarted, Warned
from dbclone.model.flow import Check
from dbclone.progress import Form, Talk
from dbclone.schema.model import TableKey

CHECK = Check(kind="rows", table=TableKey("store"), name="rows", passed=True, found=3)
EVENTS = (
    StageStarted(stage="load"),
    Progress(stage="load", table=TableKey("store"), done=1, total=3),
    Said(text="postgresql://ann:s3cret@host/shop"),
    Warned(stage="load", message="careful"),
    Checked(checks=(CHECK,)),
    StageFinished(stage="load", seconds=1.5),
)


def talk(form: Form, *, quiet: bool = False) -> tuple[Talk, list[str]]:
    stream = io.StringIO()
    with Talk(quiet=quiet, stream=stream, form=form) as talking:
        for event in EVENTS:
            talking.on_event(event)
    return talking, stream.getvalue().splitlines()


def test_lines_for_people_name_stages_and_warnings() -> None:
    _, lines = talk("plain")
    assert lines == ["  postgresql://ann:***@host/shop", "warning: careful", "load  1.5 s"]


def test_json_has_one_object_per_event() -> None:
    _, lines = talk("json")
    events = [json.loads(line) for line in lines]
    assert [event["event"] for event in events] == [
        "stage_started", "progress", "said", "warned", "checked", "stage_finished"
    ]  # fmt: skip
    assert events[1] == {"event": "progress", "stage": "load", "table": "store", "done": 1, "total": 3}
    assert events[4]["checks"][0]["kind"] == "rows"
    assert "s3cret" not in "".join(lines)


def test_quiet_says_nothing_and_remembers() -> None:
    for form in ("plain", "json"):
        talking, lines = talk(form, quiet=True)
        assert lines == []
        assert talking.record()["seconds"] == {"load": 1.5}
        assert talking.record()["warnings"] == ["careful"]
