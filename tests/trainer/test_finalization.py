from trainer import finalization
from trainer.run_directory import RunDirectory


def test_a_report_that_fails_does_not_lose_the_run(tmp_path, monkeypatch, caplog):
    def broken(run):
        raise RuntimeError("no font")

    monkeypatch.setattr(finalization.report, "write", broken)
    monkeypatch.setattr(finalization.report, "measure", lambda run: None)

    finalization._report(RunDirectory(tmp_path))

    sentence = f"{tmp_path}/report.html was not written; the export is complete. Try: preannotate report {tmp_path}"
    assert [record.getMessage() for record in caplog.records] == [sentence]
    assert "RuntimeError: no font" in caplog.text


def test_without_measurements_there_is_a_page_all_the_same(tmp_path, monkeypatch):
    def broken(run):
        raise MemoryError

    written = []
    monkeypatch.setattr(finalization.report, "measure", broken)
    monkeypatch.setattr(finalization.report, "write", written.append)
    run = RunDirectory(tmp_path)

    finalization._report(run)

    assert written == [run]
