"""The documented place of the sampler in version 0.1; now it is ``studies`` itself."""

from studies.plans.critical_temperature_sampler import CriticalTemperatureSampler

__all__ = ["CriticalTemperatureSampler"]
