"""The reference system's manifests, verbatim from its page: its users apply them unchanged."""

MANIFESTS = {
    "the simple Connector": """
# PyPI Connector
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: pypi-connector
spec:
  connectorClassName: pypi
  address: https://pypi.org
""",
    "the Connector with a description": """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: pypi-connector
  annotations:
    cpaas.io/description: "Connect to team development PyPI registry"
""",
    "the Secret": """
apiVersion: v1
stringData:
  username: your-pypi-registry-username
  password: your-pypi-registry-password
kind: Secret
metadata:
  name: pypi-secret
type: kubernetes.io/basic-auth
""",
    "the Connector with a status": """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: pypi-connector
spec: {}
status:
  conditions:
    - type: Ready
      status: False
      reason: "xxxxx"
      message: "xxxx"
""",
    "the Connector without a secretRef": """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: pypi-connector
spec:
  connectorClassName: pypi
  address: https://pypi.org
  auth:
    name: basicAuth
""",
    "the Connector with a proxy": """
apiVersion: connectors.alauda.io/v1alpha1
kind: Connector
metadata:
  name: pypi-connector
spec:
  # connector spec fields
status:
  conditions:
    # status conditions
  proxy:
    httpAddress:
      url: http://c-pypi-connector.default.svc.cluster.local
""",
}

SIMPLE = MANIFESTS["the simple Connector"]
WITHOUT_SECRET = MANIFESTS["the Connector without a secretRef"]
SECRET = MANIFESTS["the Secret"]

CSI_VOLUMES = """
spec:
  volumes:
  - name: pip.conf
    csi:
      readOnly: true
      driver: connectors-csi
      volumeAttributes:
        connector.name: "pypi-connector"
        configuration.names: "pipconf"
  - name: pypirc
    csi:
      readOnly: true
      driver: connectors-csi
      volumeAttributes:
        connector.name: "pypi-connector"
        configuration.names: "pypirc"
"""
"""Of a Pod. Kubernetes takes no dot in a volume's name."""
