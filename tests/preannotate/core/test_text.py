from preannotate.core.text import Table

TABLE = Table(
    ("name", "is", "why"), [("a_long_name", "1", "`code` and words that need a second line here"), ("b", "22", "")]
)


def test_markdown_shows_the_first_column_as_code():
    assert TABLE.markdown() == (
        "| name | is | why |\n|---|---|---|\n"
        "| `a_long_name` | 1 | `code` and words that need a second line here |\n| `b` | 22 |  |"
    )


def test_a_terminal_gets_columns_and_wrapped_sentences():
    assert TABLE.plain(50) == (
        "name         is  why\n"
        "a_long_name  1   code and words that need a second\n"
        "                 line here\n"
        "b            22"
    )
