"""A role's module as Python sees it, for the tests of its pure functions."""

import importlib.util


def loaded(path):
    """Import a role's module from its file; as Ansible's modules do, it lies outside of any package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
