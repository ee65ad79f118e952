"""Folders under FAIRWEATHER_HOME as killed runs leave them."""

import hashlib

from fairweather.core.bridge.home import jobs_folder, unfinished_folder
from fairweather.core.bridge.owned_folders import OWNER_LOCK


def killed_job(name="job-0killed_"):
    """The folder of a job whose process is dead."""
    folder = jobs_folder() / name
    folder.mkdir(parents=True)
    (folder / OWNER_LOCK).touch()
    return folder


def unfinished_composite(name):
    """The folder of an unfinished composite, with a key that is as good as any."""
    folder = unfinished_folder() / key_of(name)
    folder.mkdir(parents=True)
    (folder / OWNER_LOCK).touch()
    return folder


def key_of(name):
    return hashlib.sha256(name.encode("utf-8")).hexdigest()[:32]
