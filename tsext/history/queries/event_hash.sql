encode(sha256(convert_to(jsonb_build_array(
    e.previous_hash, e.id, extract(epoch FROM e.at), e.kind, e.outcome, e.revision, e.version, e.checksum,
    e.execution_time_ms, e.environment, e.applied_by, e.client, e.error, e.details)::text, 'UTF8')), 'hex')
