"""No network, no caches of the user's, one thread: what a test sees is what it made."""

import os
import tempfile

# Before any library reads them.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="vitzero-test-")
os.environ["HF_DATASETS_DISABLE_PROGRESS_BARS"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"  # sums are added up in one order, here and in what a test starts
