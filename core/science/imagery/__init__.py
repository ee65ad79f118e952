"""Scenes and their pixels: what every job that reads imagery shares."""
