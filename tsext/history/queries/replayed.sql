SELECT version FROM (
    SELECT DISTINCT ON (version) version, kind FROM tsext.event
    WHERE outcome = 'succeeded' AND version IS NOT NULL AND kind <> 'repair'
    ORDER BY version, id DESC
) AS last WHERE kind NOT IN ('downgrade', 'stamp-removed') ORDER BY version
