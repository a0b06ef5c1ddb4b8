"""Writes the pages that are made from the code, and removes those that have no source any more."""

from __future__ import annotations

import argparse
import sys

from ops.reference.pages import FOLDER, pages, stale


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 where a page is out of date")
    chosen = parser.parse_args()
    differ = stale()
    if chosen.check:
        print("\n".join(f"{FOLDER / name} is out of date" for name in differ) or "all pages are up to date")
        return bool(differ)
    texts = pages()
    for name in differ:
        path = FOLDER / name
        if name in texts:
            path.parent.mkdir(exist_ok=True)
            path.write_text(texts[name], "utf-8")
        else:
            path.unlink()
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
