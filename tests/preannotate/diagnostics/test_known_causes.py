"""doctor and deploy.sh explain a failure in the same words."""

import pytest

from preannotate.diagnostics import known_causes


def test_the_report_of_a_deployment_and_the_log_of_a_container():
    report = "\nError - exit status 1\n\nCall stack:\nstderr:\nERROR: no space left on device\n\n    ...a.go:1\n"
    assert known_causes.of_report(report).startswith("There is no room left where Docker keeps its images.")
    log = "Traceback (most recent call last):\n\x1b[31mruntime.errors.LabelError: function.yaml: no labels.\n"
    assert known_causes.of_log(log) == "function.yaml: no labels."
    assert known_causes.of_log("26.11.29 (I) processor Started\n") == ""
    assert known_causes.of_log(log, out_of_memory=True).startswith("It was killed for want of memory.")


@pytest.mark.parametrize("text", ["", "$(touch x) `id` \0 \\", "ü" * 1000])
def test_any_text(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert known_causes.of_log(text) == ""
    known_causes.of_report(text)
    assert not list(tmp_path.iterdir())


def test_without_bash(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert known_causes.of_report("no space left on device") == ""
