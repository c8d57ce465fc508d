from preannotate.diagnostics import local


def test_both_variants_as_their_files_describe_them(directory, functions, fingerprint):
    cpu, gpu = functions

    assert (cpu.name, gpu.name) == ("cats", "cats-gpu")
    assert cpu.file == str(directory / "function.yaml")
    assert cpu.path == directory.parent
    assert cpu.labels == gpu.labels == (("cat", "rectangle"), ("dog", "rectangle"))
    assert cpu.fingerprint == gpu.fingerprint == fingerprint
    assert cpu.settings.base_image.startswith("preannotate/openvino:")
    assert cpu.settings.workers == 2


def test_a_variant_that_cannot_be_read_does_not_hide_the_other(directory):
    (directory / "function.yaml").write_text("metadata: [")
    functions, problems = local.read(directory.parent, directory)

    assert [function.name for function in functions] == ["cats-gpu"]
    assert problems == [
        f"{directory}/function.yaml: not YAML (line 1); expected the configuration of a nuclio function. Correct it."
    ]


def test_a_missing_variant_is_passed_over(directory):
    (directory / "function-gpu.yaml").unlink()

    assert [function.name for function in local.read(directory, directory)[0]] == ["cats"]


def test_labels_of_a_stranger():
    assert local.labels_of('[{"name": "b"}, {"name": "a", "type": "polygon"}]') == (("a", "polygon"), ("b", "any"))
    for spec in ("", "[]", "no JSON", "[1]", '{"a": 1}', '[{"id": 1}]'):
        assert local.labels_of(spec) == ()
