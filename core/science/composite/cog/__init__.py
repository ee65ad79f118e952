"""Writing a Cloud Optimized GeoTIFF as its blocks come."""
