"""Minutes of broken and hostile image files through the decoding of a worker: what the worst of them cost.

    python benchmarks/hostile_images.py [--minutes 10] [--seed 0] [--keep DIR]

Files of all formats, honest ones and bombs, whole, cut, spliced and with wrong bytes, go to a process that decodes
each as a function's worker does. An answer is an image or an `ImageError`; anything else, a dead process among it, is
written down and makes the exit code 1, as does a file that takes more than 300 MB of main memory or 5 s of processor
time.
"""

import argparse
import json
import random
import struct
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

MAX_BYTES, MAX_SECONDS = 300_000_000, 5.0
# Numbers that headers should not have.
_NUMBERS = (0, 1, 255, 256, 4095, 8191, 16383, 30000, 32767, 65535, 2**24 - 1, 2**31 - 1, 2**31, 2**32 - 1)
_WORST = 12
_ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="a folder for files that broke a rule")
    options = parser.parse_args()
    sys.exit(run(options.minutes, options.seed, options.keep))


def run(minutes: float, seed: int, keep: Path | None) -> int:
    """Decode until the time is over; return the exit code."""
    chance = random.Random(seed)
    seeds = originals()
    worst: list[dict] = []
    answers: Counter[str] = Counter()
    broken = []
    child = None
    end = time.monotonic() + 60 * minutes
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        number = 0
        while time.monotonic() < end:
            names = list(seeds)
            name = names[number] if number < len(names) else chance.choice(names)
            data = seeds[name] if number < len(names) else mutated(seeds[name], seeds, chance)
            number += 1
            path.write_bytes(data)
            if child is None or child.poll() is not None:
                child = start()
            child.stdin.write(f"{path}\n")
            child.stdin.flush()
            line = child.stdout.readline()
            cost = (
                json.loads(line) if line else {"failed": f"the process ended: {child.wait()}", "bytes": 0, "seconds": 0}
            )
            error = cost.get("error", ".")
            if not error.endswith(".") or len(error) > 600 or "\n" in error:
                cost["failed"] = f"no sentence: {error}"
            cost |= {"name": name, "file_bytes": len(data)}
            answers["failed" if "failed" in cost else "refused" if "error" in cost else "image"] += 1
            if "failed" in cost or cost["bytes"] > MAX_BYTES or cost["seconds"] > MAX_SECONDS:
                broken.append(cost)
                print("broke a rule:", json.dumps(cost), flush=True)
                if keep is not None:
                    keep.mkdir(parents=True, exist_ok=True)
                    (keep / f"{len(broken):03d}").write_bytes(data)
            worst.append(cost)
            if len(worst) > 1000:
                worst = most(worst)
    print(f"{number} files: {answers['image']} images, {answers['refused']} refused, {answers['failed']} failed")
    for cost in most(worst):
        megabytes = f"{cost['bytes'] / 1e6:5.0f} MB  {cost['seconds']:5.2f} s  {cost['file_bytes'] / 1e6:6.2f} MB file"
        print(f"  {megabytes}  {cost['name']}")
    return 1 if broken else 0


def most(costs: list[dict]) -> list[dict]:
    """Return those that took most memory, and those that took most time."""
    by_bytes = sorted(costs, key=lambda cost: -cost["bytes"])[:_WORST]
    by_seconds = sorted(costs, key=lambda cost: -cost["seconds"])[:_WORST]
    return by_bytes + [cost for cost in by_seconds if cost not in by_bytes]


def start() -> subprocess.Popen:
    """Start a process that decodes."""
    command = [sys.executable, "-m", "tests.runtime.decoding_child"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT)


def originals() -> dict[str, bytes]:
    """Files to begin with: small ones of every kind, and the bombs of the tests."""
    sys.path.insert(0, str(_ROOT))
    from PIL import Image

    from tests.functions import image_bombs, image_files
    from tests.functions.image_files import encode, picture

    found = {}
    kinds = [
        *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        *(("JPEG", mode, options) for mode in ("L", "RGB", "CMYK") for options in ({}, {"progressive": True})),
        *(("TIFF", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")),
        *(("TIFF", "RGB", {"compression": name}) for name in ("tiff_lzw", "tiff_deflate", "jpeg", "packbits", "zstd")),
        ("TIFF", "1", {"compression": "group4"}),
        *(("WEBP", mode, options) for mode in ("RGB", "RGBA") for options in ({}, {"lossless": True})),
        *(("JPEG2000", mode, {}) for mode in ("L", "RGB", "RGBA", "I;16")),
        ("JPEG2000", "RGB", {"no_jp2": True}),
        ("JPEG2000", "RGB", {"tile_size": (32, 32)}),
        *(("AVIF", mode, {"speed": 10}) for mode in ("L", "RGB", "RGBA")),
        *(("GIF", mode, {}) for mode in ("P", "L")),
        *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB", "RGBA")),
        *(("PPM", mode, {}) for mode in ("1", "L", "RGB", "F")),
    ]
    for kind, mode, options in kinds:
        found[f"{kind} {mode} {options or ''}".strip()] = encode(picture(mode=mode), kind, **options)
    for kind in ("GIF", "WEBP", "AVIF", "TIFF", "PNG", "MPO"):
        found[f"{kind}, several pictures"] = image_files.pages(kind)
        if kind != "MPO":
            exif = Image.Exif()
            exif[0x0112] = 6
            if kind != "GIF":
                found[f"{kind}, turned"] = encode(picture(), kind, exif=exif)
    for name, make in image_bombs.BOMBS.items():
        found[name] = make()
    return found


def mutated(data: bytes, others: dict[str, bytes], chance: random.Random) -> bytes:
    """The file with one to eight changes, most of them near its beginning."""
    data = bytearray(data[: chance.choice([len(data), len(data), 4_000_000])])
    for _ in range(chance.randint(1, 8)):
        if len(data) < 8:
            break
        at = chance.randrange(min(len(data), chance.choice([64, 300, len(data)])))
        match chance.randrange(9):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice([0, 1, 127, 128, 255])
            case 2 | 3:
                number, order = chance.choice(_NUMBERS), chance.choice("<>")
                width = chance.choice(["H", "I"])
                packed = struct.pack(order + width, number & (0xFFFF if width == "H" else 0xFFFFFFFF))
                data[at : at + len(packed)] = packed
            case 4:
                del data[at : at + chance.randint(1, 64)]
            case 5:
                data[at:at] = chance.randbytes(chance.randint(1, 32))
            case 6:
                length = chance.randint(1, 400)
                data[at:at] = data[at : at + length] * chance.choice([1, 2, 20, 500])
            case 7:
                del data[chance.randrange(len(data)) :]
            case 8:
                other = chance.choice(list(others.values()))[:100_000]
                start = chance.randrange(max(len(other), 1))
                data[at : at + chance.choice([0, 64])] = other[start : start + chance.randint(1, 2000)]
    return bytes(data)


if __name__ == "__main__":
    main()
