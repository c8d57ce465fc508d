"""CVAT's webhooks of a project: made, or brought up to date, so that doing it twice does no harm.

What is there is recognised by its address. CVAT never tells a secret, so it is set each time.
"""

from typing import Any

from cvat_sdk import models

from preannotate.cvat.server import Server

EVENT = "update:job"
_DESCRIPTION = "preannotate watch"
_PAGE_SIZE = 500


def register_webhook(server: Server, project: int, *, url: str, secret: str) -> int:
    """Let CVAT tell `url` about the jobs of a project.

    Args:
        server: Of a user who may change the project.
        project: Number.
        url: Where CVAT finds the receiver.
        secret: Signs what it sends.

    Returns:
        The number of the webhook.

    Raises:
        CvatError: CVAT does not answer, or refuses.
    """
    api, requests = server.client.api_client.webhooks_api, server.requests
    what = f"the webhooks of project {project}"

    def ask() -> int | None:
        # Asked again before each attempt: of the one before, the answer may be what was lost.
        found = _found(server, project, url)
        fields: dict[str, Any] = {
            "target_url": url,
            "content_type": models.WebhookContentType("application/json"),
            "secret": secret,
            "is_active": True,
            "enable_ssl": True,
            "events": [models.EventsEnum(EVENT)],
        }
        if found is None:
            kind = models.WebhookType("project")
            request = models.WebhookWriteRequest(
                type=kind, project_id=project, description=_DESCRIPTION, **fields, _check_type=False
            )
            _, response = api.create(request, _parse_response=False)
        else:
            request = models.PatchedWebhookWriteRequest(**fields, _check_type=False)
            _, response = api.partial_update(found, patched_webhook_write_request=request, _parse_response=False)
        with response:
            response.drain_conn()
        return found

    found = requests.with_retries(what, ask)
    return found if found is not None else _found(server, project, url) or 0


def _found(server: Server, project: int, url: str) -> int | None:
    """Number of the webhook with this address; None if there is none."""
    call = server.client.api_client.webhooks_api.list
    page = 1
    while True:
        answer = server.requests.json(
            f"the webhooks of project {project}", call, project_id=project, page=page, page_size=_PAGE_SIZE
        )
        for webhook in answer["results"]:
            if webhook["target_url"] == url and webhook.get("project_id", webhook.get("project")) == project:
                return webhook["id"]
        if not answer["next"]:
            return None
        page += 1
