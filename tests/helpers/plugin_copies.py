"""Copies of the plugin that a test may change or remove."""

import shutil


def copy_plugin(root, folder):
    """Copy what a worker needs of the plugin in ``root`` to ``folder``."""
    # Byte code is written meanwhile, under names that do not last.
    shutil.copytree(root / "core", folder / "core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("__init__.py", "metadata.txt"):
        shutil.copy2(root / name, folder / name)
