"""/api/webhooks for the stand-in of CVAT: a page as in its `pages`."""

import json
from dataclasses import dataclass, field
from typing import Any

from support.cvat_stand_in import Request, Response


@dataclass
class Webhooks:
    """What was made.

    Attributes:
        made: Number to content, secrets included, which no answer shows.
    """

    made: dict[int, dict[str, Any]] = field(default_factory=dict)

    def __call__(self, request: Request) -> Response | None:
        """The answer to a request, or None if it is no business of this."""
        match request.method, request.path.removeprefix("/api/").split("/"):
            case "GET", ["webhooks"]:
                found = [one for one in self.made.values() if str(one["project_id"]) == request.query["project_id"]]
                return Response(200, {"count": len(found), "next": None, "results": [_shown(one) for one in found]})
            case "POST", ["webhooks"]:
                content = json.loads(request.body)
                assert content["type"] == "project"
                number = len(self.made) + 1
                self.made[number] = content | {"id": number}
                return Response(201, _shown(self.made[number]))
            case "PATCH", ["webhooks", number]:
                content = json.loads(request.body)
                assert not {"type", "project_id"} & set(content)
                self.made[int(number)] |= content
                return Response(200, _shown(self.made[int(number)]))
        return None


def _shown(webhook: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in webhook.items() if name != "secret"}
