"""The child process of `WorkerProcess`: the code of a function directory, which answers one request at a time.

Started in the function directory, which comes first on its path. It imports the standard library, nuclio_sdk and what
lies in that directory, and nothing else of this project. There are two kinds:

    python -P worker.py handler HANDLER WORKER_ID TRIGGER   calls the handler, as nuclio's Python wrapper would
    python -P worker.py detector                            runs the detector of model_handler.py on image files

Requests come in on stdin and replies go out on stdout, as frames: lengths of head and body, the head as JSON, the body
as it is. The first reply reports that the function is ready, or why it is not. Whatever the function prints goes to
stderr. When stdin ends, because the parent stopped or was killed, the process ends.

Where nuclio's own behaviour helps nobody, the handler's worker differs: a reply to the client holds no traceback (the
log does), and a bare list or a generator as result is refused with a sentence. nuclio takes a list for a batch, sends
only its first element, and loses a worker if it is empty.
"""

import asyncio
import base64
import contextlib
import importlib
import importlib.machinery
import inspect
import json
import os
import queue
import re
import struct
import sys
import threading
import traceback
from collections.abc import Awaitable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, NoReturn

# Bytes of the head, bytes of the body.
LENGTHS = struct.Struct(">IQ")
# Installed for development, these lie on every Python path; a container has only the function's own.
PROJECT_PACKAGES = ("preannotate", "trainer", "builder", "evaluation", "runtime")
# Exit code of a worker that ran out of memory: it could go on, but who knows with what.
OUT_OF_MEMORY = 213
# JSON of so many values takes a hundred times its size once it is parsed, and one of so many bytes three times: the
# function itself has to refuse it. Its images have at most 75 MB, which are 100 MB of text.
_MAX_VALUES, _MAX_PARSED_BYTES = 200_000, 104_000_000
_TEXT = "text/plain"
# The server writes these itself.
_OWN_HEADERS = ("connection", "content-length", "content-type", "transfer-encoding")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")
# Head and body, of a request or of a reply.
_Message = tuple[dict[str, Any], bytes]


def main(kind: str, *arguments: str) -> None:
    """Load the function, report whether it is ready, answer until stdin ends."""
    requests, replies = _claim_pipes()
    _isolate(Path.cwd())
    _offer_to_the_memory_killer()
    inbox: queue.SimpleQueue[list[Any] | None] = queue.SimpleQueue()
    idle = threading.Event()
    threading.Thread(target=_read_all, args=(requests, inbox, idle), daemon=True).start()
    try:
        function = _Handler(*arguments) if kind == "handler" else _Detector()
    except BaseException as error:  # sys.exit() in a function must not look like an ordinary end
        traceback.print_exc()
        _write(replies, {"failed": _sentence(error)}, b"")
        sys.exit(1)
    idle.set()
    _write(replies, function.about, b"")
    while (request := inbox.get()) is not None:
        answer = function.answer(request)
        idle.set()
        _write(replies, *answer)
    function.end()


class _Detector:
    """The detector behind the handler, called without it: nothing is rounded; `about` is the first reply."""

    def __init__(self) -> None:
        from runtime.errors import RequestError
        from runtime.function_file import read_labels  # this and model_handler.py: those of the function directory

        self._request_error = RequestError
        handler = importlib.import_module("model_handler").ModelHandler
        self._detector = handler(read_labels(Path("function.yaml").absolute())).detector
        manifest = self._detector.manifest
        # A function of an earlier release gives rectangles only.
        label_type = getattr(manifest, "label_type", lambda class_id: "rectangle")
        types = {label: label_type(class_id) for class_id, label in enumerate(manifest.labels)}
        self.about = {"labels": list(manifest.labels), "label_types": types}

    def answer(self, request: list[Any]) -> _Message:
        """Detect in the file `head["image"]`; {"error": …} if it cannot be read."""
        head, _ = request
        try:
            image = self._detector.decode(Path(head["image"]).read_bytes())
            detections = self._detector.detect(image, head["threshold"])
        except self._request_error as error:
            return {"error": str(error)}, b""
        except OSError as error:
            return {"error": f"{error.strerror or error}."}, b""
        except MemoryError:
            _end_without_memory()
        return {"size": list(image.size), "detections": list(map(_to_json, detections))}, b""

    def end(self) -> None:
        """Do nothing."""


def _to_json(detection: Any) -> dict[str, Any]:
    """Return the attributes of a detection; one of an earlier release has no mask."""
    mask = getattr(detection, "mask", None)
    return {**vars(detection), "mask": None if mask is None else mask.to_json()}


class _Handler:
    """The handler of a function and its context; `about` is the first reply."""

    def __init__(self, handler_name: str, worker_id: str, trigger_name: str) -> None:
        import nuclio_sdk

        self.about: dict[str, Any] = {}
        self._sdk = nuclio_sdk
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        self._encode = nuclio_sdk.json_encoder.Encoder().encode
        self._trigger = {"kind": "http", "name": trigger_name}
        module_name, _, function_name = handler_name.partition(":")
        self._handler = getattr(importlib.import_module(module_name), function_name)
        logger = nuclio_sdk.Logger(level="DEBUG")
        logger.set_handler("default", sys.stderr, nuclio_sdk.logger.HumanReadableFormatter())
        self._context = nuclio_sdk.Context(
            logger=logger,
            platform=nuclio_sdk.Platform("local", namespace="nuclio"),
            worker_id=worker_id,
            trigger=nuclio_sdk.TriggerInfo(**self._trigger),
        )
        # nuclio looks where the handler was defined, which need not be the module that function.yaml names.
        init_context = getattr(sys.modules.get(self._handler.__module__), "init_context", None)
        if init_context is not None:
            self._finish(init_context(self._context))

    def answer(self, request: list[Any]) -> _Message:
        """Call the handler; whatever it does, there is an answer. The request is emptied: its pixels need the room."""
        head, body = request
        request.clear()
        if len(body) > _MAX_PARSED_BYTES or sum(body.count(mark) for mark in (b",", b"[", b"{")) > _MAX_VALUES:
            head["content_type"] = f"{head.get('content_type', '')};"
        try:
            # nuclio's rule: the body is parsed if the content type is exactly application/json.
            event = self._sdk.Event.deserialize(
                {**head, "trigger": self._trigger, "body": body, "size": len(body)},
                kind=self._sdk.EventDeserializerKinds.msgpack,
            )
            del body
            return self._reply(self._finish(self._handler(self._context, event)))
        except MemoryError:
            _end_without_memory()
        except BaseException as error:  # as nuclio: the worker outlives even sys.exit()
            self._context.logger.error(f"Exception caught in handler:\n{traceback.format_exc()}")
            return _error(f'Exception caught in handler - "{_first_line(error)}"')

    def end(self) -> None:
        """Call the termination callback of the function, if it has set one."""
        self._finish(self._context.platform._on_signal(callback_type="termination"))

    def _finish(self, output: Any) -> Any:
        if not isinstance(output, Awaitable):
            return output

        async def wait() -> Any:
            return await output

        return self._loop.run_until_complete(wait())

    def _reply(self, output: Any) -> _Message:
        content = output.body if isinstance(output, self._sdk.Response) else output
        if isinstance(output, list) or inspect.isgenerator(content) or inspect.isasyncgen(content):
            return self._refuse(
                f"the handler returned a {type(content).__name__}; expected "
                f"context.Response(body=json.dumps(result), content_type='application/json'). "
                f"nuclio treats a bare list as a batch and a generator as a stream."
            )
        wire = self._sdk.Response.from_entrypoint_output(self._encode, output)
        status = wire["status_code"]
        if not isinstance(status, int) or not 200 <= status <= 599:
            return self._refuse(f"the handler returned status {status!r}; expected a whole number from 200 to 599.")
        content_type = str(wire["content_type"]).strip()
        if not _HEADER_VALUE.fullmatch(content_type):
            return self._refuse(f"the handler returned content type {content_type!r}; expected plain text.")
        body = wire["body"]
        data = base64.b64decode(body) if wire["body_encoding"] == "base64" else body.encode("utf-8")
        return {"status": status, "content_type": content_type, "headers": _headers(wire["headers"])}, data

    def _refuse(self, sentence: str) -> _Message:
        self._context.logger.error(sentence)
        return _error(sentence)


def _error(message: str) -> _Message:
    head = {"status": 500, "content_type": _TEXT, "headers": {}}
    return head, message.encode("utf-8", "backslashreplace")


def _headers(headers: Any) -> dict[str, str]:
    """Return those that nuclio would send (texts and whole numbers), without any that would break the HTTP message."""
    kept = {}
    for name, value in dict(headers).items():
        if not isinstance(name, str) or not isinstance(value, (str, int)) or name.lower() in _OWN_HEADERS:
            continue
        if _HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(str(value)):
            kept[name] = str(value).strip()
    return kept


def _offer_to_the_memory_killer() -> None:
    """Raise the score by which Linux picks the process to kill: this one is replaced, the server would not be."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _end_without_memory() -> NoReturn:
    with contextlib.suppress(BaseException):  # even this needs memory
        traceback.print_exc()
    os._exit(OUT_OF_MEMORY)


def _sentence(error: BaseException) -> str:
    # Errors of the runtime are whole sentences.
    return str(error) if type(error).__module__ == "runtime.errors" else _first_line(error)


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


class _OnlyFromDirectory:
    """An import hook: packages of this project come from the function directory, or not at all."""

    def __init__(self, directory: Path) -> None:
        self._path = [str(directory)]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in PROJECT_PACKAGES:
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, self._path)
        if spec is None:
            raise ModuleNotFoundError(f"No module named {name!r} in the function directory", name=name)
        return spec


def _isolate(directory: Path) -> None:
    sys.path.insert(0, str(directory))
    sys.meta_path.insert(0, _OnlyFromDirectory(directory))


def _claim_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for frames; a print() of the function must not end up among them."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, replies


def _read_all(requests: BinaryIO, inbox: "queue.SimpleQueue[list[Any] | None]", idle: threading.Event) -> None:
    try:
        while (request := _read(requests)) is not None:
            idle.clear()
            inbox.put(request)
    except MemoryError:
        _end_without_memory()
    if not idle.is_set():
        os._exit(1)  # nobody waits for the answer any more, and the handler may never return
    inbox.put(None)


def _read(stream: BinaryIO) -> list[Any] | None:
    """Return head and body, in a list that whoever answers empties."""
    lengths = stream.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    head_length, body_length = LENGTHS.unpack(lengths)
    head, body = stream.read(head_length), stream.read(body_length)
    return [json.loads(head), body] if len(body) == body_length else None


def _write(stream: BinaryIO, head: dict[str, Any], body: bytes) -> None:
    encoded = json.dumps(head).encode("utf-8")
    stream.write(LENGTHS.pack(len(encoded), len(body)) + encoded)
    stream.write(body)
    stream.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
