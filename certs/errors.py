"""The error tree of this package.

CertificateError
├── InvalidName      a host that no certificate can be issued for
└── UnusablePair     a certificate and key that cannot serve: missing, not PEM, of different keys, expired
"""


class CertificateError(Exception):
    """Base of all errors of this package. The text is a sentence and never quotes a key."""


class InvalidName(CertificateError):
    """A host that no certificate can be issued for."""


class UnusablePair(CertificateError):
    """A certificate and key that cannot serve."""
