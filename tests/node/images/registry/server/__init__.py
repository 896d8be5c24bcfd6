"""A registry for tests: settings from the environment, pypiserver or devpi-server behind one port."""
