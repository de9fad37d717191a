-- Values as text, each once, in the order of their type.
SELECT value::text AS bound
FROM (SELECT DISTINCT bound::{type} AS value FROM unnest(%(bounds)s::text[]) AS bound) AS bounds
ORDER BY value
