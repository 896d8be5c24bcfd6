"""An old project: what its set-up needs is named in the set-up itself."""

from setuptools import setup

setup(name="setup-requires", version="1.0", py_modules=["setup_requires"], setup_requires=["hello-connector"])
