"""The command `vitzero-leaderboard [path] [--port N]`: checks the benchmark, then serves the page."""

import argparse
import os
import sys
from pathlib import Path

from store import Benchmark, StoreError

USUAL = (Path("runs/demo"), Path("runs/benchmark"))
APP = Path(__file__).with_name("app.py")


def main(arguments: list[str] | None = None) -> int:
    """Serve the leaderboard until interrupted. Returns 2 when there is no benchmark to show."""
    parser = argparse.ArgumentParser(prog="vitzero-leaderboard", description="Serve the leaderboard's page.")
    parser.add_argument("path", nargs="?", type=Path, help="folder of a benchmark; runs/demo by default")
    parser.add_argument("--port", type=int, default=8501, help="port on this machine (%(default)s)")
    asked = parser.parse_args(arguments)
    try:
        path = asked.path or usual()
        Benchmark.open(path).close()
    except StoreError as error:
        if os.environ.get("VITZERO_DEBUG") == "1":
            raise
        print(error, file=sys.stderr)
        return 2
    return serve(path, asked.port)


def usual() -> Path:
    """The first benchmark that lies where the builder puts them."""
    for path in USUAL:
        if path.is_dir():
            return path
    raise StoreError(
        f"No benchmark at {' or '.join(map(str, USUAL))}. Give its folder, or build one with: make demo"
    )


def serve(path: Path, port: int) -> int:
    """Hand over to Streamlit; its settings lie in .streamlit/config.toml beside app.py."""
    try:
        from streamlit.web import cli
    except ImportError:
        print("Streamlit is not installed. In the checkout, run: pip install '.[app]'", file=sys.stderr)
        return 2
    return cli.main(["run", str(APP), "--server.port", str(port), "--", str(path)], standalone_mode=False)


if __name__ == "__main__":
    sys.exit(main())
