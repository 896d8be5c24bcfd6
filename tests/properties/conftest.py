"""`--hypothesis-profile=fuzz` is for `make fuzz`, which runs these again and again with ever new seeds.

Few examples each, so that even a minute reaches all of them; a round takes about 20 s.

With CI set, hypothesis chooses its examples without chance.
"""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "fuzz", max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
