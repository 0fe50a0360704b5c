"""Device containers and code objects, one format a file."""
