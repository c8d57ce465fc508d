import json

from preannotate.diagnostics.finding import error, error_from_sentence, format_json, format_text, note, ok, warning


def test_the_last_sentence_of_an_error_is_the_remedy():
    found = error_from_sentence("main.py", "main.py: no such file; expected one. Build it again.", "Do nothing.")

    assert found == error("main.py", "no such file; expected one.", "Build it again.")


def test_an_error_without_a_remedy_gets_one():
    assert error_from_sentence("x", "broken", "Correct it.") == error("x", "broken", "Correct it.")


def test_a_last_sentence_that_says_what_would_happen_is_no_remedy():
    found = error_from_sentence("x", "spec is empty; expected a text. CVAT lists nothing otherwise.", "Correct it.")

    assert found == error("x", "spec is empty; expected a text. CVAT lists nothing otherwise.", "Correct it.")


FINDINGS = {
    "this machine": [ok("Python", "3.11.9"), note("nuctl", "no such command.", "Download it.")],
    "docker and nuclio": [
        warning("docker", "old.", "Update it."),
        error("nuclio", "is exited.", "docker start nuclio"),
    ],
}


def test_text_is_aligned_and_counts():
    assert format_text(FINDINGS).splitlines() == [
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
    lines = format_text({"x": [warning("y", "word " * 30, command)]}).splitlines()

    assert all(len(line) <= 110 for line in lines if command not in line)
    assert lines[2].startswith("           word")
    assert lines[3] == f"           -> {command}" or command in lines[4]


def test_nothing_wrong():
    assert format_text({"x": [ok("y", "z")]}).endswith("Nothing wrong was found.")


def test_json_holds_everything():
    content = json.loads(format_json(FINDINGS))

    assert content["counts"] == {"ok": 1, "note": 1, "warning": 1, "error": 1}
    assert content["findings"][3] == {
        "area": "docker and nuclio",
        "severity": "error",
        "where": "nuclio",
        "finding": "is exited.",
        "remedy": "docker start nuclio",
    }
