"""Named reasons of admission's decisions, for users, logs and metrics."""

from enum import StrEnum


class Reason(StrEnum):
    """Stable CamelCase references: the sentence of a reason may change, its name does not."""

    INJECTED = "Injected"

    # -- let through as it is
    NOT_REQUESTED = "NotRequested"
    OPTED_OUT = "OptedOut"
    MIRROR_POD = "MirrorPod"
    LEFT_TO_DRIVER = "LeftToDriver"

    # -- the Pod asks for something that does not exist
    INVALID_ANNOTATION = "InvalidAnnotation"
    INVALID_VOLUME = "InvalidVolume"
    PUBLISH_WITHOUT_CONNECTOR = "PublishWithoutConnector"
    PUBLISH_WITHOUT_PYPIRC = "PublishWithoutPypirc"
    UNKNOWN_CONTAINER = "UnknownContainer"
    CONNECTOR_NOT_FOUND = "ConnectorNotFound"
    CONNECTOR_INVALID = "ConnectorInvalid"
    CONNECTOR_CLASS_NOT_FOUND = "ConnectorClassNotFound"
    EXTRA_INDEX = "ExtraIndex"

    # -- there is no room for the sidecar
    NAME_TAKEN = "NameTaken"
    PORT_TAKEN = "PortTaken"
    MOUNT_PATH_TAKEN = "MountPathTaken"
    VOLUME_MISUSED = "VolumeMisused"
    INVALID_POD = "InvalidPod"
    POD_TOO_LARGE = "PodTooLarge"
    RESOURCES_DO_NOT_FIT = "ResourcesDoNotFit"

    # -- the loopback interface or the sidecar's process would not be the Pod's alone
    HOST_NETWORK = "HostNetwork"
    HOST_PID = "HostPID"
    SHARE_PROCESS_NAMESPACE = "ShareProcessNamespace"
    WINDOWS = "Windows"

    # -- lifted by the Namespace's label `names.ALLOW_UNCONFINED`
    PRIVILEGED_CONTAINER = "PrivilegedContainer"
    CAPABILITY_NOT_ALLOWED = "CapabilityNotAllowed"
    HOST_PATH_VOLUME = "HostPathVolume"


UNCONFINED = frozenset({Reason.PRIVILEGED_CONTAINER, Reason.CAPABILITY_NOT_ALLOWED, Reason.HOST_PATH_VOLUME})
UNUSABLE = frozenset(
    {
        Reason.INVALID_ANNOTATION,
        Reason.INVALID_VOLUME,
        Reason.PUBLISH_WITHOUT_CONNECTOR,
        Reason.PUBLISH_WITHOUT_PYPIRC,
        Reason.UNKNOWN_CONTAINER,
        Reason.CONNECTOR_NOT_FOUND,
        Reason.CONNECTOR_INVALID,
        Reason.CONNECTOR_CLASS_NOT_FOUND,
        Reason.INVALID_POD,
    }
)
"""The input is wrong, whatever the Pod may do."""
UNCHANGED = frozenset({Reason.NOT_REQUESTED, Reason.OPTED_OUT, Reason.MIRROR_POD, Reason.LEFT_TO_DRIVER})
