"""Keys that look like the product's, and those that only resemble them."""

import pytest

from webhook import names
from webhook.pod.misspelling import MISSPELLINGS_LIMIT, misspellings


def of(annotations: tuple[str, ...] = (), labels: tuple[str, ...] = ()) -> tuple[str, ...]:
    return misspellings(
        {"metadata": {"annotations": dict.fromkeys(annotations, "x"), "labels": dict.fromkeys(labels, "x")}}
    )


@pytest.mark.parametrize(
    "key",
    [
        "connector.alauda.io/connector",
        "alauda.io/connectors",
        "Connectors.alauda.io/connector",
        "x.alauda.com/publish-connector",
    ],
)
def test_another_prefix_has_no_effect(key: str) -> None:
    assert of(annotations=(key,)) == of(labels=(key,)) != ()


@pytest.mark.parametrize(
    "key", ["example.com/connector", "alauda.io/connector-of-mine", "connector", names.INJECTED_LABEL]
)
def test_keys_of_others_are_theirs(key: str) -> None:
    assert of(annotations=(key,), labels=(key,)) == ()


def test_a_label_beside_the_annotation_is_no_mistake() -> None:
    assert of(labels=(names.CONNECTOR,)) != ()
    assert of(annotations=(names.CONNECTOR,), labels=(names.CONNECTOR,)) == ()


def test_few_are_named_and_long_keys_are_not_searched() -> None:
    many = tuple(
        f"a{number}.alauda.io/connector".replace(str(number), "a" * number) for number in range(1, 50)
    )
    assert len(of(annotations=many)) == MISSPELLINGS_LIMIT
    assert of(annotations=("alauda" * 100_000 + "/connector",)) == ()


@pytest.mark.parametrize(
    ("driver", "is_ours"),
    [
        ("connector-csi", True),
        ("connectors.csi", True),
        ("Connectors-CSI", True),
        ("connectors-csi-driver", True),
        (names.CSI_DRIVER, False),
        ("secrets-store.csi.k8s.io", False),
        ("my-connectors-csi", False),
        ("connectors-csi" * 100_000, False),
    ],
)
def test_a_misspelt_driver_is_hinted_at(driver: str, is_ours: bool) -> None:
    volumes = [{"name": "v", "csi": {"driver": driver}}, {"name": "w", "emptyDir": {}}]
    hints = misspellings({"metadata": {}, "spec": {"volumes": volumes}})
    assert hints == ((f"CSI driver {driver} is not known: did you mean connectors-csi?",) if is_ours else ())
