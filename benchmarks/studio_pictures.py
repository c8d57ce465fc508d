"""The pictures of docs/studio.md: pages of the studio in a real browser.

python benchmarks/studio_pictures.py docs/pictures

Needs chromium and chromedriver. CVAT and the training are those of the tests: a stand-in with synthetic images, and
a process that writes the files of a training. So the scores on these pictures are made up, as docs/studio.md says.
"""

import argparse
import io
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support import studio as example
from support.cvat_stand_in import TOKEN

MOST_BYTES = 150_000
DESK, PHONE = (1180, 900), (390, 844)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    options = parser.parse_args()
    options.pictures.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as folder,
        example.cvat() as cvat,
        example.studio(Path(folder) / "workspace") as (studio, url),
    ):
        run = fill(studio, cvat)
        browser = open_browser()
        try:
            take(browser, url, run, options.pictures)
        finally:
            browser.quit()
            studio.queue.stop(run)
            example.finished(studio, run)


def fill(studio, cvat) -> int:
    """A model with two versions, and a training of the third in its middle; returns its run."""
    server = studio.servers.add("cvat.example.org", cvat.url, token=TOKEN)
    os.environ["FAKE_RUN_SECONDS"] = "0.5"
    for deploy in ("serve", "none"):
        example.finished(studio, example.add_training(studio, server, deploy=deploy))
    os.environ["FAKE_RUN_SECONDS"] = "40"
    run = example.add_training(studio, server, tasks=(12, 13))
    folder = studio.workspace.model("workbench").version(3).run / "metrics.csv"
    while not folder.is_file() or len(folder.read_text().splitlines()) < 15:
        time.sleep(0.2)
    return run


def open_browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    os.environ["SE_OFFLINE"] = "true"
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-color-profile=srgb"):
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))


def take(browser, url: str, run: int, folder: Path) -> None:
    """All pictures."""
    tasks = shot(browser, f"{url}/new/tasks?server=1&task=12&task=13", DESK, wait=2.0, height=780)
    save(tasks, folder / "studio-new.png")
    pages = (("/", "light"), (f"/runs/{run}", "dark"), ("/models/workbench", "light"))
    phones = [shot(browser, url + path, PHONE, scheme=scheme, scale=1.2) for path, scheme in pages]
    gap = 24
    sheet = Image.new("RGB", (sum(one.width for one in phones) + 2 * gap, phones[0].height), "white")
    for place, one in enumerate(phones):
        sheet.paste(one, (place * (one.width + gap), 0))
    save(sheet, folder / "studio-phone.png")


def shot(browser, address: str, size, *, scheme="light", wait=0.6, height=None, scale=1.0) -> Image.Image:
    """What is seen of a page without scrolling."""
    width, tall = size[0], height or size[1]
    metrics = {"width": width, "height": tall, "deviceScaleFactor": scale, "mobile": width < 500}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    browser.get(address)
    time.sleep(wait)  # boxes are counted one task after the other
    return Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")


def save(image: Image.Image, path: Path) -> None:
    image.save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
