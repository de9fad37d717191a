SELECT spcname FROM pg_tablespace ORDER BY 1
