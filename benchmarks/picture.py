"""The picture of the README: four of the overlays that `make demo` draws.

python benchmarks/picture.py demo/overlays docs/pictures/demo.jpg
"""

import argparse
from pathlib import Path

from PIL import Image

COLUMNS, ROWS, WIDTH = 2, 2, 520


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("overlays", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    tiles = [Image.open(path).convert("RGB") for path in sorted(options.overlays.iterdir())[: COLUMNS * ROWS]]
    height = round(WIDTH * tiles[0].height / tiles[0].width)
    sheet = Image.new("RGB", (WIDTH * COLUMNS, height * ROWS), "white")
    for number, tile in enumerate(tiles):
        place = (number % COLUMNS * WIDTH, number // COLUMNS * height)
        sheet.paste(tile.resize((WIDTH, height), Image.Resampling.LANCZOS), place)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(options.picture, quality=82)


if __name__ == "__main__":
    main()
