"""`python -m mailrules` is the command `mailrules`.

In: the command line. Out: the exit code.
May not live here: anything else.
"""

import sys

from mailrules.cli import main

if __name__ == "__main__":
    sys.exit(main())
