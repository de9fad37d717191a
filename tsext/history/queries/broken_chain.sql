WITH chain AS (
    SELECT e.*, {event_hash} AS right_hash,
           lag(e.hash, 1, repeat('0', 64)) OVER (ORDER BY e.id) AS right_previous_hash,
           lag(e.id, 1, 0::bigint) OVER (ORDER BY e.id) + 1 AS right_id
    FROM tsext.event AS e
)
SELECT id, CASE WHEN id <> right_id THEN 'deleted' WHEN hash <> right_hash THEN 'forged' ELSE 'unlinked' END AS fault,
       right_id
FROM chain WHERE id <> right_id OR hash <> right_hash OR previous_hash <> right_previous_hash
UNION ALL
SELECT b.events, 'truncated', coalesce(max(e.id), 0) + 1
FROM tsext.bookkeeping AS b LEFT JOIN tsext.event AS e ON true
GROUP BY b.events, b.last_hash
HAVING b.events <> coalesce(max(e.id), 0)
    OR b.last_hash <> coalesce((SELECT hash FROM tsext.event ORDER BY id DESC LIMIT 1), repeat('0', 64))
ORDER BY 1
