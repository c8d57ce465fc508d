import json

from preannotate.diagnostics.finding import error, note, ok, warning
from preannotate.diagnostics.report import as_json, as_text

FINDINGS = {
    "this machine": [ok("Python", "3.11.9"), note("nuctl", "no such command.", "Download it.")],
    "docker and nuclio": [
        warning("docker", "old.", "Update it."),
        error("nuclio", "is exited.", "docker start nuclio"),
    ],
}


def test_text_is_aligned_and_counts():
    assert as_text(FINDINGS).splitlines() == [
        "This machine",
        "  ok       Python: 3.11.9",
        "  note     nuctl: no such command.",
        "           -> Download it.",
        "",
        "Docker and nuclio",
        "  warning  docker: old.",
        "           -> Update it.",
        "  ERROR    nuclio: is exited.",
        "           -> docker start nuclio",
        "",
        "1 error, 1 warning.",
    ]


def test_long_lines_are_wrapped_below_each_other_and_commands_stay_whole():
    command = "https://example.org/" + "a" * 120
    lines = as_text({"x": [warning("y", "word " * 30, command)]}).splitlines()

    assert all(len(line) <= 110 for line in lines if command not in line)
    assert lines[2].startswith("           word")
    assert lines[3] == f"           -> {command}" or command in lines[4]


def test_nothing_wrong():
    assert as_text({"x": [ok("y", "z")]}).endswith("Nothing wrong was found.")


def test_json_holds_everything():
    content = json.loads(as_json(FINDINGS))

    assert content["counts"] == {"ok": 1, "note": 1, "warning": 1, "error": 1}
    assert content["findings"][3] == {
        "area": "docker and nuclio",
        "severity": "error",
        "where": "nuclio",
        "finding": "is exited.",
        "remedy": "docker start nuclio",
    }
