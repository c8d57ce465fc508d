"""A stand-in of each version of CVAT."""

import pytest

pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed")

from support.cvat_servers import cvat, newest, nothing_of_this_machine  # noqa: F401 - fixtures
