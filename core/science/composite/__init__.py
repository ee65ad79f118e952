"""The composite: from scenes to one Cloud Optimized GeoTIFF and its report."""
