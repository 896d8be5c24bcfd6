"""Loopback proxy that runs beside a workload and adds the registry's credential."""
