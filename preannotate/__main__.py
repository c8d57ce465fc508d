"""`python -m preannotate`."""

import sys

from preannotate.cli import main

sys.exit(main())
