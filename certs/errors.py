"""The error tree of this package.

CertificateError
├── InvalidName      a host that no certificate can be issued for
├── UnusablePair     a certificate and key that cannot serve: missing, not PEM, of different keys, expired
│   └── UnsupportedKey   a matching pair of a kind that this package does not sign with
└── ClockBehind      the clock shows a time before an authority was made: a wrong clock must not make another
"""


class CertificateError(Exception):
    """Base of all errors of this package. The text is a sentence and never quotes a key."""


class InvalidName(CertificateError):
    """A host that no certificate can be issued for."""


class UnusablePair(CertificateError):
    """A certificate and key that cannot serve."""


class UnsupportedKey(UnusablePair):
    """An intact private key that is no elliptic curve key. A person put it there, so it is left alone."""


class ClockBehind(CertificateError):
    """The clock shows a time before an authority was made."""
