-- The query of a continuous aggregate; names that the search path finds are without their schema.
SELECT view_definition AS query FROM timescaledb_information.continuous_aggregates
WHERE (view_schema, view_name) = (%(schema)s, %(name)s)
