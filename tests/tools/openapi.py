"""Asks a running server everything that its OpenAPI document allows, and much that it does not (schemathesis).

    openapi.py http://127.0.0.1:8750 [EXAMPLES] [SECS]

EXAMPLES a call (default 50), for at most SECS seconds (default 600). The exit status is that of schemathesis: 0 when no answer
was a server's error and every answer kept to the document.
"""

import pathlib
import subprocess
import sys
import tempfile

url = sys.argv[1]
examples = sys.argv[2] if len(sys.argv) > 2 else "50"
limit = float(sys.argv[3]) if len(sys.argv) > 3 else 600.0
command = [
    str(pathlib.Path(sys.executable).with_name("schemathesis")),
    f"--config-file={pathlib.Path(__file__).with_name('schemathesis.toml')}",
    "run",
    f"{url}/api/openapi.json",
    "--phases=examples,coverage,fuzzing",
    f"--max-examples={examples}",
    "--seed=1",
    "--request-timeout=20",
    "--continue-on-failure",
    "--no-color",
]
try:
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(subprocess.run(command, timeout=limit, cwd=folder).returncode)
except subprocess.TimeoutExpired:
    print(f"stopped after {limit} s", file=sys.stderr)
    sys.exit(124)
