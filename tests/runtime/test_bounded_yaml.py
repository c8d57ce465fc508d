import pytest

from runtime import bounded_yaml

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)


def test_values_are_those_of_yaml():
    text = "a: [1, 2.5, yes, null, 'no', 0x10]\nb: &b {c: 2024-01-01}\nd: *b\n"
    value = bounded_yaml.load(text)

    assert value["a"] == [1, 2.5, True, None, "no", 16]
    assert value["b"] is value["d"]


def test_scalars_may_stay_as_they_are_written():
    value = bounded_yaml.load("a: [1, 2.50, yes, null, 007, ~, '', 2024-01-01, !!int 3]\n1: b", scalars_as_text=True)

    assert value == {"a": ["1", "2.50", "yes", "null", "007", "~", "", "2024-01-01", "3"], "1": "b"}


@pytest.mark.parametrize("scalars_as_text", [False, True])
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BOMB, "more than 200000 values, aliases counted as what they stand for"),
        ("a: &a " + "x" * 100_000 + "\nb: [" + "*a, " * 1000 + "]", "more than 200000 values"),
        ("a: &a {b: c}\n" + "".join(f"m{n}: &m{n} {{<<: [*a, *a]}}\n" for n in range(30_000)), "more than 200000"),
        ("[" * 100 + "]" * 100, "more than 50 values inside one another"),
        ("- " * 100 + "a", "more than 50 values inside one another"),
        ("a: &a [*a]", "an alias of 'a', which is not complete before"),
        ("a: *b", "b"),
        ("[" * 500_000, "more than 50|nesting depth"),
        ("x" * ((1 << 20) + 1), "1048577 characters of YAML; at most 1048576 are read"),
        ("a: [b", "while parsing a flow sequence"),
        ("a: \x07", "special characters are not allowed|control characters are not allowed"),
        ("{[a]: b, {c: d}: e}", "unhashable|hash"),
    ],
)
def test_what_could_take_for_ever_is_refused_before_it_is_built(text, problem, scalars_as_text):
    with pytest.raises(ValueError, match=problem) as caught:
        bounded_yaml.load(text, scalars_as_text=scalars_as_text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "9" * 100_000,
        "1:" * 50_000 + "1",
        "0x" + "f" * 100_000,
        "!!int ''",
        "!!int x",
        "!!float ''",
        "!!bool x",
        "!!timestamp x",
        "2024-99-99",
        "!!binary 'é'",
        "!!python/object/apply:os.system [true]",
        "\ud800",
    ],
)
def test_values_that_yaml_stumbles_over_are_errors_of_one_line(text):
    with pytest.raises(ValueError) as caught:
        bounded_yaml.load(text)
    assert "\n" not in str(caught.value)


def test_a_file_is_read_within_the_same_bounds(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: ü", "utf-8")
    assert bounded_yaml.read(path) == {"a": "ü"}

    path.write_bytes(b"# " + b"x" * (5 << 20))
    with pytest.raises(ValueError, match="at most 1048576 are read"):
        bounded_yaml.read(path)
