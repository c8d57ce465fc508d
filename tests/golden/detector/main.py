"""The nuclio function: CVAT's requests in, shapes out."""

import os
from pathlib import Path

from model_handler import ModelHandler

from runtime.cvat import CONTENT_TYPE, decode_request, reply
from runtime.errors import ImageError, MisdirectedError, RequestError
from runtime.function_file import UNREADABLE, read_labels, unreadable_policy
from runtime.memory import give_back, resident_bytes
from runtime.target import check_target, function_name

# What a worker may keep for the next request, above what it had before the first.
KEPT_BYTES = 64_000_000


def init_context(context):
    """Load the model, once for each worker; nuclio sends no request before this returns."""
    context.logger.info("Init context...  0%")
    context.user_data.unreadable = unreadable_policy(os.environ.get(UNREADABLE, ""))
    model = ModelHandler(read_labels(Path(__file__).with_name("function.yaml")))
    context.user_data.model = model
    context.user_data.resident_bytes = resident_bytes()
    context.user_data.name = function_name()
    if model.warning:
        context.logger.warn(model.warning)
    context.logger.info_with("Init context...100%", **model.description)


def handler(context, event):
    """Answer one request, or the list of requests that nuclio passes if the trigger has batching."""
    responses = _answer(context, event if isinstance(event, list) else [event])
    give_back(context.user_data.resident_bytes + KEPT_BYTES)
    if not isinstance(event, list):
        return responses[0]
    for response, answered in zip(responses, event, strict=True):
        response.event_id = answered.id  # nuclio finds the request by it
    return responses


def _answer(context, events):
    """Return a response for each event: shapes, or status 400 or 421 and a sentence."""
    model = context.user_data.model
    responses, waiting = {}, {}
    for number, event in enumerate(events):
        try:
            check_target(event, context.user_data.name)
            request = decode_request(event)
            waiting[number] = (model.decode(request.image), request.threshold)
        except ImageError as error:
            responses[number] = _unreadable(context, error)
        except MisdirectedError as error:
            responses[number] = _bad_request(context, error, 421)
        except RequestError as error:
            responses[number] = _bad_request(context, error)
    for number, results in zip(waiting, model.infer_batch(list(waiting.values())), strict=True):
        responses[number] = _response(context, results, 200)
    return [responses[number] for number in range(len(events))]


def _unreadable(context, error):
    # CVAT ends a batch at the first error and discards the frames before it; an operator may prefer a gap.
    if context.user_data.unreadable == "error":
        return _bad_request(context, error)
    context.logger.warn_with("Unreadable image, answered with no objects", error=str(error))
    return _response(context, [], 200)


def _bad_request(context, error, status=400):
    context.logger.warn_with("Bad request", error=str(error))
    return _response(context, {"error": str(error)}, status)


def _response(context, content, status):
    # The text, not the list: nuclio would take a list for a batch of replies.
    return context.Response(body=reply(content), content_type=CONTENT_TYPE, status_code=status)
