"""`python -m ops.shop`: the demo."""

import sys

from ops.shop.demo import main

sys.exit(main())
