"""Index time series: from the observations of sites to a table and a chart."""
