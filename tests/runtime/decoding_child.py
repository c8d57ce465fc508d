"""Decode the files named on standard input, one a line, as a worker does; print what each has cost.

For each file a line of JSON: bytes of main memory at most above those before, seconds of processor time, and the size
of the image, the sentence why there is none ("error"), or a traceback of what should not happen ("failed").
"""

import json
import sys
import time
import traceback
from pathlib import Path

from runtime.detector import Detector
from runtime.errors import ImageError
from runtime.letterbox import Letterbox
from runtime.manifest import Manifest, Postprocess
from runtime.memory import give_back

_INPUT_SIZE = (320, 320)


def main() -> None:
    """Answer until standard input ends."""
    detector = Detector(None, Manifest("none", ("a",), _INPUT_SIZE, Postprocess(0.5, (0.5,))))
    for line in sys.stdin:
        data = Path(line.rstrip("\n")).read_bytes()
        give_back(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before, start = _memory("VmRSS"), time.process_time()
        try:
            image = detector.decode(data)
            Letterbox.fit(image.size, _INPUT_SIZE).pixels(image.pixels)
            result = {"size": image.size}
            del image
        except ImageError as error:
            result = {"error": str(error)}
        except BaseException:
            result = {"failed": traceback.format_exc()[-600:]}
        seconds = round(time.process_time() - start, 3)
        print(json.dumps({"bytes": _memory("VmHWM") - before, "seconds": seconds, **result}), flush=True)


def _memory(name: str) -> int:
    """Bytes, from a line of /proc/self/status in kB."""
    status = Path("/proc/self/status").read_text("ascii")
    return 1024 * int(status.partition(f"{name}:")[2].split()[0])


if __name__ == "__main__":
    main()
