"""`python -m analyzer` is `mtlscope`."""

import sys

from analyzer.cli import main

sys.exit(main())
