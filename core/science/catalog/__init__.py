"""Finding scenes: STAC APIs, static catalogues and ItemCollection files through the same code."""
