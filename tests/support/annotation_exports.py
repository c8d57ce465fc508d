"""A small scene, drawn here, and written in every format that the trainer reads.

Three photographs of a task with the labels "cat" and "dog, \"old\"" and names that break careless
readers: a.jpg has two boxes, "sub/b & ü.png" one, c.jpg none. All formats write the same numbers.
"""

import json
from pathlib import Path
from xml.sax.saxutils import quoteattr

from PIL import Image, ImageDraw

LABELS = ("cat", 'dog, "old"')
SIZES = {"a.jpg": (200, 100), "sub/b & ü.png": (80, 160), "c.jpg": (64, 64)}
# name -> (class id, x1, y1, x2, y2); halves and quarters are exact in six decimals of the sizes above.
BOXES = {
    "a.jpg": [(1, 10, 20, 60, 70.5), (0, 100, 0, 200, 50)],
    "sub/b & ü.png": [(0, 8, 16, 40.5, 80)],
    "c.jpg": [],
}


def draw(path: Path, size: tuple[int, int], colour: str = "navy") -> Path:
    """A picture that differs with its size and colour."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", size, colour)
    ImageDraw.Draw(image).ellipse((0, 0, size[0] // 2, size[1] // 2), "gold")
    image.save(path)
    return path


def write_text(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _draw_all(folder: Path) -> None:
    for name, size in SIZES.items():
        draw(folder / name, size)


def cvat_meta(mode: str = "annotation", labels: tuple[str, ...] = LABELS, size: int = 3) -> str:
    listed = "".join(f"<label><name>{label}</name><type>any</type></label>" for label in labels)
    return (
        f"<meta><task><id>7</id><name>scene</name><size>{size}</size><mode>{mode}</mode>"
        f"<start_frame>0</start_frame><labels>{listed}</labels></task></meta>"
    )


def cvat_box(label: str, box: tuple[float, ...], attributes: str = 'source="manual"') -> str:
    corners = " ".join(f'{n}="{v:.2f}"' for n, v in zip(("xtl", "ytl", "xbr", "ybr"), box, strict=True))
    return f"<box label={quoteattr(label)} {corners} {attributes}></box>"


def cvat_images(folder: Path) -> Path:
    _draw_all(folder / "images")
    images = ""
    for index, (name, (width, height)) in enumerate(SIZES.items()):
        shapes = "".join(cvat_box(LABELS[c], box) for c, *box in BOXES[name])
        images += f'<image id="{index}" name={quoteattr(name)} width="{width}" height="{height}">{shapes}</image>'
    write_text(folder / "annotations.xml", f"<annotations>{cvat_meta()}{images}</annotations>")
    return folder


def cvat_video(folder: Path) -> Path:
    """Loose shapes are tracks that end one frame later; frames are numbered in the order of names."""
    _draw_all(folder / "images")
    tracks = ""
    for index, name in enumerate(sorted(SIZES)):
        for c, *box in BOXES[name]:
            seen = cvat_box(LABELS[c], box, f'frame="{index}" keyframe="1" outside="0"')
            gone = cvat_box(LABELS[c], box, f'frame="{index + 1}" keyframe="1" outside="1"')
            tracks += f'<track id="0" label={quoteattr(LABELS[c])} source="manual">{seen}{gone}</track>'
    write_text(folder / "annotations.xml", f"<annotations>{cvat_meta()}{tracks}</annotations>")
    return folder


def coco(folder: Path) -> Path:
    _draw_all(folder / "images")
    images, annotations = [], []
    for index, (name, (width, height)) in enumerate(SIZES.items(), 1):
        images.append({"id": index, "file_name": name, "width": width, "height": height})
        for c, x1, y1, x2, y2 in BOXES[name]:
            bbox = [x1, y1, x2 - x1, y2 - y1]
            annotations.append(
                {"id": len(annotations), "image_id": index, "category_id": c + 1, "bbox": bbox, "segmentation": []}
            )
    categories = [{"id": index, "name": label} for index, label in enumerate(LABELS, 1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    write_text(folder / "annotations/instances_default.json", json.dumps(content))
    return folder


def voc(folder: Path) -> Path:
    _draw_all(folder / "JPEGImages")
    for name, (width, height) in SIZES.items():
        objects = ""
        for c, *box in BOXES[name]:
            corners = "".join(
                f"<{n}>{float(v)}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
            )
            objects += f"<object><name>{LABELS[c]}</name><bndbox>{corners}</bndbox></object>"
        filename = name.replace("&", "&amp;")
        write_text(
            (folder / "Annotations" / name).with_suffix(".xml"),
            f"<annotation><folder>sub</folder><filename>{filename}</filename><size><width>{width}</width>"
            f"<height>{height}</height><depth></depth></size>{objects}</annotation>",
        )
    names = "\n".join(f"{label}:1,2,3::" for label in LABELS)
    write_text(folder / "labelmap.txt", f"# label:color_rgb:parts:actions\nbackground:0,0,0::\n{names}\n")
    return folder


def _relative_lines(name: str) -> str:
    width, height = SIZES[name]
    return "".join(
        f"{c} {(x1 + x2) / 2 / width:.6f} {(y1 + y2) / 2 / height:.6f} "
        f"{(x2 - x1) / width:.6f} {(y2 - y1) / height:.6f}\n"
        for c, x1, y1, x2, y2 in BOXES[name]
    )


def yolo(folder: Path) -> Path:
    _draw_all(folder / "obj_train_data")
    for name in SIZES:
        write_text((folder / "obj_train_data" / name).with_suffix(".txt"), _relative_lines(name))
    write_text(folder / "obj.names", "\n".join(LABELS) + "\n")
    write_text(folder / "obj.data", "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n")
    write_text(folder / "train.txt", "".join(f"data/obj_train_data/{name}\n" for name in SIZES))
    return folder


def ultralytics(folder: Path) -> Path:
    _draw_all(folder / "images/train")
    for name in SIZES:
        if BOXES[name]:
            write_text((folder / "labels/train" / name).with_suffix(".txt"), _relative_lines(name))
    names = "".join(f"  {index}: {json.dumps(label)}\n" for index, label in enumerate(LABELS))
    write_text(folder / "data.yaml", f"path: .\ntrain: train.txt\nnames:\n{names}")
    write_text(folder / "train.txt", "".join(f"images/train/{name}\n" for name in SIZES))
    return folder


def datumaro(folder: Path) -> Path:
    _draw_all(folder / "images/default")
    items = []
    for name, (width, height) in SIZES.items():
        annotations = [
            {
                "id": 0,
                "type": "bbox",
                "label_id": c,
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "attributes": {"rotation": 0.0},
            }
            for c, x1, y1, x2, y2 in BOXES[name]
        ]
        image = {"path": name, "size": [height, width]}
        items.append({"id": name.rsplit(".", 1)[0], "annotations": annotations, "image": image})
    categories = {"label": {"labels": [{"name": label, "parent": ""} for label in LABELS]}}
    write_text(folder / "annotations/default.json", json.dumps({"categories": categories, "items": items}))
    return folder


def labelme(folder: Path) -> Path:
    _draw_all(folder)
    for name, (width, height) in SIZES.items():
        shapes = [
            {"label": LABELS[c], "points": [[x1, y1], [x2, y2]], "shape_type": "rectangle", "group_id": None}
            for c, x1, y1, x2, y2 in BOXES[name]
        ]
        content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imageData": None}
        content |= {"imagePath": Path(name).name, "imageHeight": height, "imageWidth": width}
        write_text((folder / name).with_suffix(".json"), json.dumps(content))
    return folder


WRITERS = {
    "cvat-images": cvat_images,
    "cvat-video": cvat_video,
    "coco": coco,
    "voc": voc,
    "yolo": yolo,
    "ultralytics": ultralytics,
    "datumaro": datumaro,
    "labelme": labelme,
}
