"""What can be built: spaces, architectures, networks, weight sharing, closed forms of cost."""

from spaces.architecture import Architecture
from spaces.errors import SpaceError
from spaces.space import Space, get, names
from spaces.supernet import Supernet

__all__ = ["Architecture", "Space", "SpaceError", "Supernet", "get", "names"]
