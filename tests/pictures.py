"""The pictures of the documents, made from the running page: `python -m tests.pictures`.

In: the system's Chromium. Out: docs/pictures/*.png. May not live here: anything that the page does not show by itself.
"""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path

from mailrules.words import LANGUAGES
from tests.browser import PHONE, chromium, served, window
from tests.shop import calm

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
NARROW = {"width": 820, "height": 640}
SMALL = {"width": 640, "height": 560}
SHOTS = (
    ("overview", "/", "en", "light", NARROW),
    ("story", "/authorizations/{id}", "en", "light", {"width": 820, "height": 960}),
    ("overview-dark-ja", "/", "ja", "dark", NARROW),
    ("phone-de", "/", "de", "light", PHONE),
    ("phone-zh", "/", "zh", "light", PHONE),
    *((f"task-{language}", "/tasks/1", language, "light", SMALL) for language in LANGUAGES),
)
"""Name, page, language of the account, light or dark, size of the window."""


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(exist_ok=True)
    with chromium() as browser:
        for language in LANGUAGES:
            with (
                tempfile.TemporaryDirectory() as name,
                closing(calm(Path(name), language)) as shop,
                served(shop) as page,
            ):
                for picture, path, _, scheme, size in (shot for shot in SHOTS if shot[2] == language):
                    with window(browser, page, color_scheme=scheme, viewport=size) as seen:
                        seen.go(path.format(id=shop.named("Never Settle")))
                        seen.page.screenshot(path=FOLDER / f"{picture}.png", animations="disabled", caret="hide")


if __name__ == "__main__":
    main()
