"""Problems of the machine or the cluster, as sentences for the person who typed `make`."""


class Problem(Exception):
    """Says what failed, on which thing, and what to do; printed without a traceback.

    Problem
    ├── Missing     the machine lacks something: tests may be skipped for it, save in CI
    └── Broken      something of ours did not work
    """


class Missing(Problem):
    """The machine lacks something that the cluster needs."""


class Broken(Problem):
    """Something that should have worked did not."""
