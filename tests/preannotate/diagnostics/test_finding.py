from preannotate.diagnostics.finding import Finding, from_sentence


def test_the_last_sentence_of_an_error_is_the_remedy():
    found = from_sentence("error", "main.py", "main.py: no such file; expected one. Build it again.", "Do nothing.")

    assert found == Finding("error", "main.py", "no such file; expected one.", "Build it again.")


def test_an_error_without_a_remedy_gets_one():
    assert from_sentence("note", "x", "broken", "Mend it.") == Finding("note", "x", "broken", "Mend it.")


def test_a_last_sentence_that_says_what_would_happen_is_no_remedy():
    found = from_sentence("error", "x", "spec is empty; expected a text. CVAT lists nothing otherwise.", "Correct it.")

    assert found == Finding(
        "error", "x", "spec is empty; expected a text. CVAT lists nothing otherwise.", "Correct it."
    )
