-- What goes before append_batch in its transaction, because batches are sent close behind each other and a later one can
-- arrive first: waits, without a lock and for a second at most, until the log has come to p_first, and refuses (AL002)
-- unless the record before it has the hex leaf hash p_leaf. What is missing still, append_batch refuses as a gap.
create function audit.follow(p_log text, p_first bigint, p_leaf text) returns void
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_head bigint;
  v_leaf bytea;
begin
  if p_first = 0 then
    return;
  end if;
  for v_turn in 1..100 loop
    select h.head, h.last_leaf into v_head, v_leaf from audit.log_head h where h.log = p_log;
    exit when v_head >= p_first;
    perform pg_sleep(0.01);
  end loop;
  if v_head > p_first then
    select s.leaf into v_leaf from audit.stored_leaves(p_log, p_first - 1, p_first) s;
  end if;
  if v_head >= p_first and encode(v_leaf, 'hex') is distinct from p_leaf then
    raise exception 'log % holds another record at index %', p_log, p_first - 1 using errcode = 'AL002';
  end if;
end
$$;

revoke all on function audit.follow(text, bigint, text) from public;
grant execute on function audit.follow(text, bigint, text) to audit_writer;
