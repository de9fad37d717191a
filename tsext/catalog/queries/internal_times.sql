SELECT CASE WHEN {is_valid} THEN _timescaledb_functions.time_to_internal(given::{type}) END AS internal
FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS t (given, place)
ORDER BY place
