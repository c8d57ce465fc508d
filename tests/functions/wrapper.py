"""A function's worker as nuclio runs it, less the sockets: `python -P wrapper.py` in the function directory.

Requests come in on stdin and replies go out on stdout, as frames: lengths of head and body, the head as JSON, the
body as it is. Events are made and results are turned into replies by nuclio_sdk; an exception becomes status 500
with a traceback, as in nuclio. It imports nuclio_sdk and what lies in the function directory, nothing of this project.
"""

import json
import os
import site
import struct
import sys
import traceback
from pathlib import Path

LENGTHS = struct.Struct(">II")


def main() -> None:
    """Load the function, answer until stdin ends."""
    requests, replies = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a function prints belongs in the log
    _isolate(Path.cwd())
    import main as function
    import nuclio_sdk
    import nuclio_sdk.json_encoder

    logger = nuclio_sdk.Logger("DEBUG")
    logger.set_handler("default", sys.stderr, nuclio_sdk.logger.JSONFormatter())
    platform = nuclio_sdk.Platform("local", namespace="nuclio")
    context = nuclio_sdk.Context(logger, platform, "0", nuclio_sdk.TriggerInfo("http", "myHttpTrigger"))
    module = sys.modules[function.handler.__module__]
    module.init_context(context)
    encode = nuclio_sdk.json_encoder.Encoder().encode
    while True:
        lengths = requests.read(LENGTHS.size)
        if not lengths:
            return
        head, body = (requests.read(length) for length in LENGTHS.unpack(lengths))
        try:
            output = function.handler(context, _event(nuclio_sdk, json.loads(head), body))
            if isinstance(output, list):
                answer = [nuclio_sdk.Response.from_entrypoint_output(encode, each) for each in output]
            else:
                answer = nuclio_sdk.Response.from_entrypoint_output(encode, output)
        except BaseException:
            answer = {"status_code": 500, "content_type": "text/plain", "body": traceback.format_exc()}
        answer = encode(answer).encode("utf-8")
        replies.write(struct.pack(">I", len(answer)) + answer)
        replies.flush()


def _event(nuclio_sdk: object, head: dict | list, body: bytes) -> object:
    """The event, or the list of events if the head is a list; `as` gives the body a type that nuclio would not."""
    if isinstance(head, list):
        cuts = [sum(each["size"] for each in head[:number]) for number in range(len(head) + 1)]
        return [_event(nuclio_sdk, each, body[cuts[number] : cuts[number + 1]]) for number, each in enumerate(head)]
    message = {
        **{"id": "1", "content_type": "application/json", "headers": {}, "fields": {}, "method": "POST", "path": "/"},
        **{"url": "", "timestamp": 1, "shard_id": 0, "num_shards": 1, "type": "", "type_version": "", "version": ""},
        **{"trigger": {"kind": "http", "name": "myHttpTrigger"}, "size": len(body), "body": body},
        **head,
    }
    event = nuclio_sdk.Event.deserialize(message, kind=nuclio_sdk.EventDeserializerKinds.msgpack)
    types = {"text": bytes.decode, "bytearray": bytearray, "memoryview": memoryview, "none": lambda _: None}
    if "as" in head:
        event.body = types[head["as"]](body)
    return event


def _isolate(directory: Path) -> None:
    """Leave only the function directory, the standard library and installed packages on the path."""
    homes = {Path(home).resolve() for home in (sys.prefix, sys.base_prefix, site.getusersitepackages())}
    sys.path[:] = [str(directory), *(entry for entry in sys.path if homes & {*Path(entry).resolve().parents})]
    import runtime

    if Path(runtime.__file__).parent != directory / "runtime":
        sys.exit(f"runtime was imported from {Path(runtime.__file__).parent}")


if __name__ == "__main__":
    main()
