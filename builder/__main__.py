"""`python -m builder`, also `vitzero`: the one application for every job."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; where the packages for building are not installed, say how to get them."""
    try:
        from builder import command
    except ModuleNotFoundError as error:
        print(
            f"vitzero: {error.name} is not installed; building needs more than reading does. "
            "In the checkout, run: pip install '.[build]'",
            file=sys.stderr,
        )
        sys.exit(2)
    command.main()


if __name__ == "__main__":
    main()
