"""From FLOP to hours and money on an accelerator, and back from machines and days to a budget."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jaxscale.errors import ConfigError

MFU = 0.4  # an assumption; well-run dense training reports 0.3 to 0.55
HOUR = 3600.0


def _positive(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value!r}; expected a number above 0")
    return value


def _share(mfu: float) -> float:
    if not 0 < mfu <= 1:
        raise ConfigError(f"mfu is {mfu!r}; expected a share of the peak, above 0 and at most 1")
    return mfu


@dataclass(frozen=True)
class Hardware:
    """An accelerator.

    Attributes:
        name: for people.
        peak: dense bfloat16 FLOP per second of one device, without sparsity.
        memory: bytes of one device.
        price: of one device for one hour, in a currency of yours; None where it is not known. None is built in.
        mfu: the share of the peak that a run turns into the FLOP that were counted. Measure it: 0.4 is an assumption.

    Raises:
        ConfigError: a number is not positive and finite, or mfu is above 1.
    """

    name: str
    peak: float
    memory: float
    price: float | None = None
    mfu: float = MFU

    def __post_init__(self) -> None:
        _positive("peak", self.peak)
        _positive("memory", self.memory)
        _share(self.mfu)
        if self.price is not None and not (math.isfinite(self.price) and self.price >= 0):
            raise ConfigError(f"price is {self.price!r}; expected money per device and hour, at least 0")

    def device_hours(self, flop: Any, mfu: float | None = None) -> Any:
        """Hours of one device, summed over the devices: GPU-hours. FLOP may be an array."""
        return flop / (self._speed(mfu) * HOUR)

    def hours(self, flop: Any, count: float = 1, mfu: float | None = None) -> Any:
        """Hours on the clock with `count` devices."""
        return self.device_hours(flop, mfu) / _positive("count", count)

    def money(self, flop: Any, mfu: float | None = None) -> Any:
        """Price of the device-hours.

        Raises:
            ConfigError: the hardware has no price.
        """
        if self.price is None:
            raise ConfigError(
                f"{self.name} has no price; give yours per device and hour: "
                f"jaxscale.decide.hardware.get_hardware({self.name!r}, price=2.5)"
            )
        return self.device_hours(flop, mfu) * self.price

    def flop_of(self, count: float, hours: float, mfu: float | None = None) -> float:
        """The budget that `count` devices make in so many hours: 64 for 30 days is flop_of(64, 30 * 24)."""
        return self._speed(mfu) * HOUR * _positive("count", count) * _positive("hours", hours)

    def flop_for(self, money: float, mfu: float | None = None) -> float:
        """The budget that an amount of money buys; errors as in `money`."""
        return _positive("money", money) / self.money(1.0, mfu)

    def least_devices(self, weight_bytes: float) -> int:
        """Devices whose memory together holds so much; activations and optimiser states come on top."""
        return max(1, math.ceil(weight_bytes / self.memory))

    def _speed(self, mfu: float | None) -> float:
        return self.peak * (self.mfu if mfu is None else _share(mfu))


def _known(name: str, teraflop: float, gigabytes: float) -> tuple[str, Hardware]:
    return name.lower(), Hardware(name, teraflop * 1e12, gigabytes * 1e9)


# Dense bfloat16 (float16 on V100) and memory, from the makers' data sheets. Sheets that print a number "with sparsity"
# are halved. TPUs are per chip; MI250X is both of its dies.
ACCELERATORS: Mapping[str, Hardware] = dict((
    _known("V100", 125, 32), _known("A100", 312, 80), _known("A100-40GB", 312, 40), _known("L40S", 362, 48),
    _known("H100", 989.4, 80), _known("H100-PCIe", 756, 80), _known("H200", 989.4, 141), _known("B200", 2250, 180),
    _known("MI250X", 383, 128), _known("MI300X", 1307.4, 192), _known("TPU-v4", 275, 32), _known("TPU-v5e", 197, 16),
    _known("TPU-v5p", 459, 95), _known("TPU-v6e", 918, 32),
))  # fmt: skip


def get_hardware(name: str | Hardware, **changes: Any) -> Hardware:
    """An accelerator by its name, with a price, MFU or peak of your own.

    Raises:
        ConfigError: none has that name.
    """
    if isinstance(name, Hardware):
        return replace(name, **changes)
    if name.lower() not in ACCELERATORS:
        known = ", ".join(h.name for h in ACCELERATORS.values())
        raise ConfigError(
            f"no accelerator is called {name!r}; known are {known}. Fix: jaxscale.Hardware(name, peak, memory)"
        )
    return replace(ACCELERATORS[name.lower()], **changes)
