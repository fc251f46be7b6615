"""F4: the stop that was not there."""

import pytest
from tests.helpers.live_scene import live

pytestmark = pytest.mark.jit


async def test_try(tmp_path):
    async with live(tmp_path) as scene, scene.running():
        await scene.enter()
        print(scene.stops(), scene.alarm.told, scene.open_orders())
    print(scene.document["live"])
