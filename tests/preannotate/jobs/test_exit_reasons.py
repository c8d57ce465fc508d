"""The end of a log as text."""

from preannotate.jobs.exit_reasons import last_error, last_line, tail


def test_a_long_log_is_cut_at_a_line(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))

    assert tail(log, 20) == "line 998\nline 999\n"
    assert tail(tmp_path / "absent") == ""


def test_progress_bars_and_colours_are_what_a_terminal_shows(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(
        b"images:   0%|   |\rimages:  50%|## |\rimages: 100%|###|\n\x1b[31mred\x1b[0m \x07\xff\n\x1b]0;title"
    )

    assert tail(log) == "images: 100%|###|\nred \ufffd\n0;title"


def test_a_bar_that_is_still_drawn(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes(b"begin\nimages:  50%|## |\r")

    assert tail(log) == "begin\nimages:  50%|## |"


def test_errors_of_an_earlier_attempt_do_not_count(tmp_path):
    log = tmp_path / "log.txt"
    log.write_text("=== preannotate run\nerror: first.\nerror: second.\n")
    assert (last_error(log), last_line(log)) == ("second.", "error: second.")

    log.write_text(log.read_text() + "=== preannotate run\nTraceback\nKeyError: 'x'\n\n")
    assert (last_error(log), last_line(log)) == ("", "KeyError: 'x'")
