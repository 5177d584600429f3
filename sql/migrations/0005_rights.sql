-- Postgres lets PUBLIC execute every new function. After this, each role has what is listed and nothing else.
revoke all on all functions in schema audit from public;

grant execute on function
  audit.append_batch(text, bigint, jsonb),
  audit.quarantine(text, bigint, bytea, text),
  audit.log_state(text),
  audit.leaf_at(text, bigint),
  audit.ensure_partitions(integer)
  to audit_writer;

-- So that an auditor can compute the hash of what is stored again.
grant execute on function audit.leaf_hash(text) to audit_reader;
