"""`python -m preannotate`."""

import sys

from preannotate.cli.main import main

sys.exit(main())
