"""`--hypothesis-profile=fuzz` looks longer: `make fuzz` runs these with ever new seeds.

With CI set, hypothesis chooses its examples without chance.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz", max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
