"""What the tests install with something that it needs."""

from hello_connector import VERSION as NEEDED

VERSION = f"2.0 on {NEEDED}"
