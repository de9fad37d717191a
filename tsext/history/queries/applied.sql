SELECT h.version, h.name, h.applied_at, h.rollback_available, h.checksum, h.execution_time_ms, h.applied_by,
       b.revision, b.files
FROM migration_history AS h LEFT JOIN tsext.bridge AS b USING (version)
ORDER BY h.version
