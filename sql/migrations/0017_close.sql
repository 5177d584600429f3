-- The first record of an epoch names the size at which the one before it ended. Between the last look of the object that names
-- it and that record nothing may come in, or the ended epoch would hold more than its successor says. So the successor is made
-- known first, without a record, if there is nothing more to read; from then on audit.refuse_closed() refuses what comes late.

-- Ends a log before p_end. False: it holds something from there on, which is to be read first. Can be repeated.
create function audit.close_log(p_log text, p_end bigint) returns boolean
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  -- Whoever appends to the log holds this lock, too.
  v_row audit.log_head := audit.lock_head(p_log);
begin
  if p_end is null then
    raise exception 'p_end is not an index' using errcode = 'invalid_parameter_value';
  end if;
  if exists (select from audit.stored_records(p_log, p_end)) then
    return false;
  end if;
  perform audit.lock_head(concat_ws('~', v_row.tenant, v_row.shard, v_row.epoch + 1));
  return true;
end
$$;

revoke all on function audit.close_log(text, bigint) from public;
grant execute on function audit.close_log(text, bigint) to audit_writer;
