-- Every row returned is a fault.

-- trades have no foreign key, so that old chunks can be dropped without locking instruments; of the last hour's,
-- which are few chunks, every instrument must be known
SELECT DISTINCT trades.instrument_id
FROM trades
WHERE trades.time > now() - INTERVAL '1 hour'
  AND NOT EXISTS (SELECT FROM instruments WHERE instruments.id = trades.instrument_id)
LIMIT 20;
