from trainer import outcome
from trainer.run_directory import RunDirectory


def test_a_report_that_fails_does_not_lose_the_run(tmp_path, monkeypatch, caplog):
    def broken(run):
        raise RuntimeError("no font")

    monkeypatch.setattr(outcome.report, "measure", broken)

    outcome._report(RunDirectory(tmp_path))

    sentence = f"{tmp_path}: report.html was not written; the export is whole. Try: preannotate report {tmp_path}"
    assert [record.getMessage() for record in caplog.records] == [sentence]
    assert "RuntimeError: no font" in caplog.text
