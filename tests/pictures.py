"""The pictures of the documents, made from the running page: `python -m tests.pictures`.

In: the system's Chromium. Out: docs/pictures/*.png. May not live here: anything that the page does not show by itself.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.browser import PHONE, chromium, served, window
from tests.shop import calm

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "pictures"
NARROW = {"width": 820, "height": 620}
SHOTS = (
    ("overview", "/", "en", "light", NARROW),
    ("story", "/authorizations/{id}", "en", "light", {"width": 820, "height": 900}),
    ("overview-dark-ja", "/", "ja", "dark", NARROW),
    ("phone-de", "/", "de", "light", PHONE),
    ("phone-zh", "/tasks", "zh", "light", PHONE),
)
"""Name, page, language, light or dark, size of the window."""


def main() -> None:
    """Take every picture."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        shop = calm(Path(name))
        with served(shop) as page, chromium() as browser:
            for picture, path, language, scheme, size in SHOTS:
                with window(browser, page, color_scheme=scheme, viewport=size) as seen:
                    seen.go(f"/language/{language}")
                    seen.go(path.format(id=shop.named("Never Settle")))
                    seen.page.screenshot(path=FOLDER / f"{picture}.png", animations="disabled", caret="hide")


if __name__ == "__main__":
    main()
