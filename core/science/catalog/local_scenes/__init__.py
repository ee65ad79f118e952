"""Scenes on the user's own disk, as their agencies deliver them, read as STAC items."""
