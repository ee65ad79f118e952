"""What a run of the benchmarks found, as it is kept between measuring and reporting."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from agreement import Agreement
from measuring import Measurement, Transport
from workloads import Workload


@dataclass(frozen=True)
class Row:
    """A contestant's measurement of a workload, of several the one with the middle time.

    ``agreement`` is with the reference, None where there is none; ``notes`` are the contestant's.
    """

    workload: str
    contestant: str
    transport: str
    measurement: Measurement
    agreement: Agreement | None = None
    notes: dict = field(default_factory=dict)


@dataclass(frozen=True)
class WrittenCog:
    """What one way of writing the same pixels took, and what became of them."""

    seconds: float
    megabytes: float


@dataclass
class Results:
    """All rows of those ``planned``, the profile by stage, QGIS's start, the COG alone, and the
    machine.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    profiles: dict[str, dict] = field(default_factory=dict)
    profile_failures: dict[str, str] = field(default_factory=dict)
    start_of_qgis: Measurement | None = None
    cogs: dict[str, WrittenCog] = field(default_factory=dict)
    cog_failure: str = ""
    planned: int = 0

    def find(self, workload: Workload, contestant: str, transport: Transport) -> Row | None:
        """The row, where it was measured and did not fail."""
        for row in self.rows:
            asked = (workload.name, contestant, transport.name)
            if (row.workload, row.contestant, row.transport) == asked:
                return None if row.measurement.failure else row
        return None

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def middle(measurements: Iterable[Measurement]) -> Measurement:
    """The one with the middle time; a failed one where one failed."""
    ordered = sorted(measurements, key=lambda measured: (not measured.failure, measured.seconds))
    if ordered[0].failure:
        return ordered[0]
    return ordered[len(ordered) // 2]
