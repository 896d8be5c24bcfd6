"""An administrator's declaration: a Connector, its Secrets, its conditions. Pure; knows no Pod."""
