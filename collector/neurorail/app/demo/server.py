"""`neurorail` as a child of the demonstration: it stops when its parent does."""

from __future__ import annotations

from neurorail.app.cli import main
from neurorail.app.demo.children import stop_with_parent

if __name__ == "__main__":
    stop_with_parent()
    main()
