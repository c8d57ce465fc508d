"""Annotation exports as accidents and attackers leave them: small ones of every format, changed at random.

The same generator makes the same export. Whatever comes out, reading it must end soon, with samples or one sentence.
"""

import json
import random
import re
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support import annotation_exports

WRONG = (
    None, True, -1, 0.5, 1e999, float("nan"), "", "x", "../x", [], [1], [[1, 2]], {}, {"a": 1}, [None], "\x00", 10**30,
    "\ud800", "1e999", -0.0, "9" * 5000, [[[[[[]]]]]], "\x1b[2J", "a" * 100_000,
)  # fmt: skip
TEXTS = ("", "nan", "1e999", "-1e308", "9" * 6000, "x" * 100_000, "\u202e", "&#0;", "1,2;3", "0x10", "-", "\x7f", "1_0")
PIECES = (b"", b"\xff\xfe", b"\x00", b'"', b"<", b"&", b"[", b"{", b": ", b"\n", b"9" * 5000, b"\xef\xbb\xbf", b"]]>")
MAX_BYTES = 16 << 20
ANNOTATIONS = (".xml", ".json", ".txt", ".yaml", ".names", ".data")


def make(folder: Path, generator: random.Random) -> str:
    """Write an export that was changed once to four times; return what was done, for a message."""
    name = generator.choice(sorted(annotation_exports.WRITERS))
    annotation_exports.WRITERS[name](folder)
    done = [name]
    for _ in range(generator.randint(1, 4)):
        change = generator.choice(CHANGES)
        files = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
        wanted = [path for path in files if path.suffix in ANNOTATIONS] if generator.random() < 0.9 else files
        if wanted or files:
            path = generator.choice(wanted or files)
            change(path, generator)
            with path.open("r+b") as file:  # several changes together may double it again and again
                file.truncate(min(path.stat().st_size, MAX_BYTES))
            done.append(change.__name__.strip("_"))
    return " ".join(done)


def pack(folder: Path, path: Path, generator: random.Random) -> str:
    """Write the folder as an archive that may be damaged; return what was done."""
    kind = generator.choice(("zip", "zip", "tar"))
    entries = [(entry.relative_to(folder).as_posix(), entry) for entry in sorted(folder.rglob("*")) if entry.is_file()]
    if kind == "tar":
        with tarfile.open(path, "w:gz" if generator.random() < 0.5 else "w") as archive:
            for name, entry in entries:
                archive.add(entry, _hostile_name(name, generator), recursive=False)
    else:
        with zipfile.ZipFile(path, "w", generator.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
            for name, entry in entries:
                archive.writestr(_hostile_name(name, generator).replace("\x00", "0"), entry.read_bytes())
            if generator.random() < 0.1:  # a bomb: 64 MB of brackets or zeros in 64 KB
                name = generator.choice(("annotations/instances_x.json", "annotations.xml", "labels/a.txt", "a.jpg"))
                archive.writestr(name, generator.choice((b"[", b"[],", b"<a>", b"0 ", b"\0")) * (16 << 20))
    if generator.random() < 0.6:
        _bytes(path, generator)
    return kind


def _hostile_name(name: str, generator: random.Random) -> str:
    if generator.random() < 0.95:
        return name
    return (
        generator.choice(
            (
                "../x",
                "/x",
                "C:\\x",
                name.upper(),
                name * 40,
                "\u202e" + name,
                "con",
                ".",
                "a/" * 300 + "b",
                "é\ud800",
                name,
            )
        )
        .encode("utf-8", "replace")
        .decode()
    )


def _bytes(path: Path, generator: random.Random) -> None:
    """Cut, double, insert or turn bytes."""
    whole = path.read_bytes()
    start, length = generator.randrange(len(whole) + 1), generator.randrange(1, 60)
    piece = whole[start : start + length]
    new = generator.choice((b"", piece * 2, piece * 1000, generator.randbytes(length), generator.choice(PIECES)))
    path.write_bytes(whole[:start] + new + whole[start + (length if generator.random() < 0.5 else 0) :])


def _end(path: Path, generator: random.Random) -> None:
    """Cut the rest off, as a broken download."""
    whole = path.read_bytes()
    path.write_bytes(whole[: generator.randrange(len(whole) + 1)])


def _number(path: Path, generator: random.Random) -> None:
    """Put another text in the place of a number."""
    text = path.read_bytes().decode("utf-8", "replace")
    places = list(re.finditer(r"-?\d+(\.\d+)?", text))
    if places:
        place = generator.choice(places)
        path.write_bytes((text[: place.start()] + generator.choice(TEXTS) + text[place.end() :]).encode())


def _line(path: Path, generator: random.Random) -> None:
    """Double, drop or swap lines."""
    lines = path.read_bytes().splitlines(keepends=True) or [b""]
    at = generator.randrange(len(lines))
    many = [lines[at]] * min(500, MAX_BYTES // (len(lines[at]) + 1) + 1)
    lines[at : at + 1] = generator.choice(([], many, [lines[-1], lines[at]]))
    path.write_bytes(b"".join(lines))


def _value(path: Path, generator: random.Random) -> None:
    """Put a wrong value anywhere into JSON."""
    if path.suffix != ".json":
        return _number(path, generator)
    try:
        content = json.loads(path.read_text("utf-8"))
    except (ValueError, RecursionError):
        return _bytes(path, generator)
    path.write_text(json.dumps(_changed(content, generator)))
    return None


def _changed(value: Any, generator: random.Random) -> Any:
    if not value or not isinstance(value, dict | list) or generator.random() < 0.15:
        return generator.choice(WRONG)
    key = generator.choice(list(value)) if isinstance(value, dict) else generator.randrange(len(value))
    action = generator.random()
    if action < 0.1:
        del value[key]
    elif action < 0.2 and isinstance(value, list):
        value += [value[key]] * generator.randint(1, 200)
    else:
        value[key] = _changed(value[key], generator)
    return value


def _element(path: Path, generator: random.Random) -> None:
    """Drop, double, rename, nest or open a tag of XML."""
    text = path.read_bytes().decode("utf-8", "replace")
    tags = list(re.finditer(r"<[^<>]+>", text))
    if not tags:
        return _line(path, generator)
    tag = generator.choice(tags)
    new = generator.choice(
        ("", tag[0] * 2, "<a>", "</a>", "<box/>", "<![CDATA[", "<!--", "<?x", "<a>" * 3000, tag[0] + "</a>" * 9, "&b;")
    )
    path.write_bytes((text[: tag.start()] + new + text[tag.end() :]).encode())
    return None


def _bomb(path: Path, generator: random.Random) -> None:
    """Put in the place of a file what takes for ever if it is not bounded."""
    count = generator.randint(10, 60_000)
    many = " ".join(f'a{n}="{n}"' for n in range(min(count, 20_000)))
    defaults = " ".join(f'a{n} CDATA "{n}"' for n in range(min(count, 6000)))
    aliases = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    merges = "a: &a {b: c}\n" + "".join(f"m{n}: &m{n} {{<<: [*{'a' if not n else f'm{n - 1}'}]}}\n" for n in range(999))
    bombs = {
        ".xml": (
            f"<!DOCTYPE a [<!ATTLIST b {defaults}>]><annotations>{'<b/>' * count}</annotations>",
            '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
                f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9)
            ) + "]><annotations>&a8;</annotations>",
            f"<annotations>{'<labels><label>' * count}",
            f"<annotations><image {many}/></annotations>",
            f"<annotations><meta>{'<task><id>1</id></task>' * count}</meta></annotations>",
            f"<annotation>{'<object><name>a</name></object>' * count}</annotation>",
            f'<annotations><image name="a.jpg"><mask label="c" left="0" top="0" width="{10**8}" height="{10**8}" '
            f'rle="{"1," * count}{10**16}"/></image></annotations>',
            f'<annotations><image name="a.jpg"><polygon label="c" points="{"1,2;" * count}3,4"/></image></annotations>',
            f'<annotations><track id="0" label="c">{"<box frame=" + chr(34) + "9" * 4000 + chr(34) + "/>"}</track>'
            "</annotations>",
        ),
        ".json": (
            "[" * count,
            '{"a":' * count,
            f'{{"images": [{"{}," * count}{{}}], "annotations": [], "categories": []}}',
            f'{{"images": [], "annotations": [{"9" * count}], "categories": []}}',
            '{"images": [{"id": 1, "file_name": "a.jpg"}], "categories": [{"id": 1, "name": "c"}], "annotations": '
            f'[{{"image_id": 1, "category_id": 1, "segmentation": {{"counts": "{"o" * count}", "size": [9, 9]}}}}]}}',
            f'{{"categories": {{"label": {{"labels": [{"{}," * count}{{}}]}}}}, "items": [{{"id": "{"x" * count}"}}]}}',
        ),
        ".yaml": (
            aliases + "names: *a11\n",
            merges + "names: *m998\n",
            "names: " + "[" * count,
            "names: [" + "a, " * count + "b]",
            "names: {" + "".join(f"{n}: a, " for n in range(count)) + "}",
            "names: &a [*a]",
            f"names: {{{10**9}: a}}",
            "- " * count,
            "names: !!python/object/apply:os.system [true]",
        ),
    }  # fmt: skip
    texts = ("0 " * count, "0 0.5 0.5 0.1 0.1\n" * count, "9" * count, "a" * count, "data/" + "../" * 300 + "a.jpg\n")
    path.write_text(generator.choice(bombs.get(path.suffix, texts)), "utf-8")


CHANGES: tuple[Callable[[Path, random.Random], None], ...] = (
    _bytes, _end, _number, _number, _line, _value, _value, _element, _element, _bomb,
)  # fmt: skip
