"""The command `vitzero-leaderboard`: checks the benchmark, then serves the page."""

import argparse
import os
import sys
from pathlib import Path

from store import Benchmark, StoreError

APP = Path(__file__).with_name("app.py")


def main(arguments: list[str] | None = None) -> int:
    """Serve the leaderboard until interrupted. Returns 2 when there is no benchmark to show."""
    parser = argparse.ArgumentParser(prog="vitzero-leaderboard", description="Serve the leaderboard's page.")
    parser.add_argument("folder", nargs="?", help="the same as --release")
    parser.add_argument(
        "--release",
        help="what to show: a version such as 1.0.0, or a folder; without it, the sample in this package",
    )
    parser.add_argument("--port", type=int, default=8501, help="port on this machine (%(default)s)")
    parser.add_argument(
        "--address", default="127.0.0.1", help="who may connect: 0.0.0.0 is everybody (%(default)s: only you)"
    )
    parser.add_argument("--base-path", default="", help="path under which a proxy in front serves the page")
    asked = parser.parse_args(arguments)
    release = asked.release or asked.folder
    try:
        with Benchmark.open(release) as benchmark:
            folder = benchmark.path
    except StoreError as error:
        if os.environ.get("VITZERO_DEBUG") == "1":
            raise
        print(error, file=sys.stderr)
        return 2
    return serve(folder, asked.port, asked.address, asked.base_path)


def serve(folder: Path, port: int, address: str = "127.0.0.1", base_path: str = "") -> int:
    """Hand over to Streamlit; its other settings lie in .streamlit/config.toml beside app.py."""
    try:
        from streamlit.web import cli
    except ImportError:
        print("Streamlit is not installed. In the checkout, run: pip install '.[app]'", file=sys.stderr)
        return 2
    from leaderboard.warm import warm

    sys.argv = [str(APP), str(folder)]  # as the pages find it later
    warm()
    settings = {"port": port, "address": address, "baseUrlPath": base_path}
    options = [f"--server.{name}={value}" for name, value in settings.items()]
    return cli.main(["run", str(APP), *options, "--", str(folder)], standalone_mode=False)


if __name__ == "__main__":
    sys.exit(main())
