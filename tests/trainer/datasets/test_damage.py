"""Files with anything anywhere: reading gives samples or one sentence, never another exception."""

import copy
import json
import random

import pytest
from support import annotation_exports, hostile_exports

from preannotate.formats import FORMATS
from preannotate.formats.records import DatasetError
from trainer.datasets import load_dataset

WRONG = [None, True, -1, 0.5, 1e999, "", "x", "../x", [], [1], [[1, 2]], {}, {"a": 1}, [None], "\x00", 10**30]


def places(value, path=()):
    """All paths to a value inside a JSON value."""
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


def changed(value, path, wrong):
    if not path:
        return wrong
    result = copy.deepcopy(value)
    parent = result
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = wrong
    return result


def read_or_refuse(folder, store):
    try:
        load_dataset([folder], store, masks=True)
    except DatasetError as error:
        assert "\n" not in str(error)


def rich(name, content):
    """Put one of each kind of shape into the file."""
    if name == "coco":
        content["annotations"][0] |= {"segmentation": [[1, 1, 9, 1, 5, 5]], "attributes": {"rotation": 5}}
        content["annotations"][1]["segmentation"] = {"counts": [5, 2, 2, 1, 14], "size": [4, 6]}
    else:
        content["items"][0]["annotations"] += [
            {"type": "mask", "label_id": 0, "rle": {"counts": "522O<", "size": [4, 6]}},
            {"type": "polygon", "label_id": 0, "points": [1, 1, 3, 1, 2, 3]},
            {"type": "points", "label_id": 0, "points": [1, 1]},
        ]
    return content


@pytest.mark.parametrize("name", ["coco", "datumaro"])
def test_json_with_a_wrong_value_anywhere(tmp_path, name):
    folder = annotation_exports.WRITERS[name](tmp_path / "export")
    path = next((folder / "annotations").glob("*.json"))
    content = rich(name, json.loads(path.read_text()))
    generator = random.Random(0)

    for place in places(content):
        for wrong in generator.sample(WRONG, 5):
            path.write_text(json.dumps(changed(content, place, wrong)))
            read_or_refuse(folder, tmp_path / "store")


@pytest.mark.parametrize("name", FORMATS)
def test_text_with_a_piece_cut_out_or_doubled_anywhere(tmp_path, name):
    folder = annotation_exports.WRITERS[name](tmp_path / "export")
    generator = random.Random(1)
    for path in sorted(p for p in folder.rglob("*") if p.suffix in (".xml", ".json", ".txt", ".yaml", ".names")):
        whole = path.read_bytes()
        for _ in range(25):
            start, length = generator.randrange(len(whole) + 1), generator.randrange(1, 12)
            piece = generator.choice([b"", whole[start : start + length] * 2, b"\xff\x00", b'"', b"9" * 400])
            path.write_bytes(whole[:start] + piece + whole[start + length :])
            read_or_refuse(folder, tmp_path / "store")
        path.write_bytes(whole)


@pytest.mark.parametrize("seed", range(60))
def test_hostile_exports_are_read_or_refused(tmp_path, seed):
    """The first seeds of `benchmarks/hostile_annotations.py`, which reads thousands."""
    generator = random.Random(seed)
    folder = tmp_path / "export"
    hostile_exports.make(folder, generator)
    hostile_exports.pack(folder, tmp_path / "export.zip", generator)

    for export in (folder, tmp_path / "export.zip"):
        read_or_refuse(export, None)
