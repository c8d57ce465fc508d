"""Decode the files named on standard input, one a line, as a worker does; print what each has cost.

For each file a line of JSON: bytes of main memory at most above those before, seconds of processor time, and the
error or the size of the image.
"""

import json
import sys
import time
from pathlib import Path

from PIL import Image

from runtime.errors import ImageError
from runtime.image import decode
from runtime.memory import give_back, limited


def main() -> None:
    """Answer until standard input ends."""
    Image.init()
    for line in sys.stdin:
        data = Path(line.rstrip("\n")).read_bytes()
        give_back(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before, start = _memory("VmRSS"), time.process_time()
        try:
            with limited():
                image = decode(data, (320, 320))
            result = {"size": image.size}
            del image
        except ImageError as error:
            result = {"error": str(error)}
        seconds = time.process_time() - start
        print(json.dumps({"bytes": _memory("VmHWM") - before, "seconds": seconds, **result}), flush=True)


def _memory(name: str) -> int:
    """Bytes, from a line of /proc/self/status in kB."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.partition(f"{name}:")[2].split()[0])


if __name__ == "__main__":
    main()
