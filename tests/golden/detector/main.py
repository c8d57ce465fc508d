"""The nuclio function: CVAT's request in, rectangles out."""

from pathlib import Path

from model_handler import ModelHandler

from runtime.cvat import CONTENT_TYPE, decode_request, read_labels, reply
from runtime.errors import RequestError


def init_context(context):
    """Load the model, once for each worker; nuclio sends no request before this returns."""
    context.logger.info("Init context...  0%")
    model = ModelHandler(read_labels(Path(__file__).with_name("function.yaml")))
    context.user_data.model = model
    context.logger.info_with("Init context...100%", **model.description)


def handler(context, event):
    """Answer one request: a JSON list of rectangles, or status 400 and a sentence."""
    try:
        request = decode_request(event)
        results = context.user_data.model.infer(request.image, request.threshold)
    except RequestError as error:
        context.logger.warn_with("Bad request", error=str(error))
        return context.Response(body=reply({"error": str(error)}), content_type=CONTENT_TYPE, status_code=400)
    return context.Response(body=reply(results), content_type=CONTENT_TYPE, status_code=200)
