"""What an administrator declared: a Connector, its Secrets, its conditions. Pure; knows no Pod."""
