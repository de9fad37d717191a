SELECT view_schema AS schema, view_name AS name FROM timescaledb_information.continuous_aggregates
