CREATE TEMPORARY TABLE tsext_output (line text);
COPY pg_temp.tsext_output FROM PROGRAM {command};
SELECT line FROM pg_temp.tsext_output
