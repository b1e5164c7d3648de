"""What Qlib itself answers to ``calls.py``; in a process of its own.

``python -m tests.compat.by_qlib PROVIDER FILE`` writes the answers to a pickle.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import qlib

from tests.compat.calls import answers

if __name__ == "__main__":
    qlib.init(provider_uri=sys.argv[1], region="cn", kernels=1)
    Path(sys.argv[2]).write_bytes(pickle.dumps(answers("qlib")))
