"""The error tree of this package.

CertificateError
├── InvalidName      a host that no certificate can be issued for
├── UnusablePair     a certificate and key that cannot serve: missing, not PEM, of different keys, expired
│   └── UnsupportedKey   a pair that belongs together, of a kind that this package does not sign with
└── ClockBehind      the time is before an authority was made: a wrong clock, which must not make another one
"""


class CertificateError(Exception):
    """Base of all errors of this package. The text is a sentence and never quotes a key."""


class InvalidName(CertificateError):
    """A host that no certificate can be issued for."""


class UnusablePair(CertificateError):
    """A certificate and key that cannot serve."""


class UnsupportedKey(UnusablePair):
    """A private key that is whole and no elliptic curve key. Somebody's own: not to be thrown away."""


class ClockBehind(CertificateError):
    """The time is before an authority was made."""
