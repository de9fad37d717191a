-- What an UPDATE of a table does, and one of the tables that hold its rows, each by itself, does not. Of the triggers
-- those for each statement: TRIGGER_TYPE_ROW is 1, TRIGGER_TYPE_UPDATE is 16.
WITH RECURSIVE tables AS (
    SELECT to_regclass(%(relation)s)::oid AS oid
    UNION ALL
    SELECT i.inhrelid FROM tables JOIN pg_inherits AS i ON i.inhparent = tables.oid
)
SELECT c.relkind::text AS kind,
       array(SELECT f.oid::regclass::text FROM tables JOIN pg_class AS f USING (oid) WHERE f.relkind = 'f'
             ORDER BY 1) AS elsewhere,
       array(SELECT t.tgname::text FROM pg_trigger AS t
             WHERE t.tgrelid = c.oid AND NOT t.tgisinternal AND t.tgenabled <> 'D' AND t.tgtype & 1 = 0
               AND t.tgtype & 16 <> 0 AND EXISTS (SELECT FROM pg_inherits AS i WHERE i.inhparent = c.oid)
             ORDER BY 1) AS triggers
FROM pg_class AS c
WHERE c.oid = to_regclass(%(relation)s)
