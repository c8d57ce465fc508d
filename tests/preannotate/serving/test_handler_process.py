"""What the server adds to a worker process: limits of time, and an end to whoever is given up."""

import asyncio

import pytest

from preannotate.inference.worker_process import worker_environment
from preannotate.serving.errors import StartError
from preannotate.serving.function_config import FunctionConfig
from preannotate.serving.handler_process import HandlerProcess

pytestmark = pytest.mark.anyio
HEAD = {"id": "1", "timestamp": 5, "method": "POST", "path": "/", "url": "http://here/", "fields": {}, "headers": {}}
HEAD |= {"content_type": "", "shard_id": 0, "num_shards": 0, "type": "", "type_version": "", "version": ""}


async def test_worker_whose_request_is_given_up_is_killed_so_that_no_answer_can_be_mixed_up(write_function, tmp_path):
    begun = tmp_path / "begun"
    main = f"import time\ndef handler(context, event):\n    open({str(begun)!r}, 'w')\n    time.sleep(60)\n"
    worker = await HandlerProcess.start(FunctionConfig.read(write_function(main=main)), 0, worker_environment(1))
    request = asyncio.create_task(worker.invoke(HEAD, b""))
    while not begun.exists() and not request.done():
        await asyncio.sleep(0.01)
    request.cancel()

    assert await worker.wait() == "killed"
    await worker.stop()


async def test_function_that_is_never_ready_is_given_up(write_function):
    def change(content):
        content["spec"]["readinessTimeoutSeconds"] = 1

    path = write_function(main="import time; time.sleep(60)", change=change)
    with pytest.raises(StartError) as caught:
        await HandlerProcess.start(FunctionConfig.read(path), 0, worker_environment(1))

    assert str(caught.value) == (
        "echo/0: not ready after 1 s; expected init_context to return by then. "
        "Raise spec.readinessTimeoutSeconds if the model is large."
    )
