"""YAML as a reader of cases wants it."""

import yaml


class Plain(yaml.SafeDumper):
    """No anchors (a reader should see the values), and scripts as blocks."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _block(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Plain.add_representer(str, _block)
