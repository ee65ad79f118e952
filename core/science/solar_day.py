"""The day of an acquisition by the sun, not by UTC."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

DEGREES_PER_HOUR = 15


def solar_day(moment: datetime, longitude: float) -> date:
    """The date at ``moment`` and ``longitude`` (degrees east), UTC moved by whole hours.

    The hours are ``int(longitude / 15)``, cut towards zero, as odc-stac's ``solar_day`` grouping
    does. A moment without a time zone is in UTC.
    """
    if moment.tzinfo is not None:
        moment = moment.astimezone(timezone.utc)
    return (moment + timedelta(hours=int(longitude / DEGREES_PER_HOUR))).date()
