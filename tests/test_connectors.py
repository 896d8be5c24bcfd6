"""What a Connector may say, at run time; tests/api/test_crds.py holds the API server to the same table."""

import pytest
from connector_table import Case, cases

from webhook.connectors import parse_connector
from webhook.errors import InvalidConnector

TABLE = cases()


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.title)
def test_a_connector_is_read_or_refused_as_the_table_says(case: Case) -> None:
    if case.runtime is None:
        parse_connector(case.manifest())
        return
    with pytest.raises(InvalidConnector) as refused:
        parse_connector(case.manifest())
    assert case.runtime in str(refused.value)
    assert "canary" not in str(refused.value)


def test_titles_are_unique() -> None:
    titles = [case.title for case in TABLE]
    assert sorted(set(titles)) == sorted(titles)
