"""`python -m tests.golden [--update]`: compare what is printed, or write it anew."""

import sys

from tests.golden import made, names, path, update

if sys.argv[1:] == ["--update"]:
    found = update()
else:
    found = [name for name in names() if path(name).read_text("utf-8") != made(name)]
sys.stdout.write("\n".join(found or ["all as it was"]) + "\n")
sys.exit(bool(found) and sys.argv[1:] != ["--update"])
