-- What a log's object reads after a fork, to close the epoch that it was in: the records of a log from an index on, in
-- order, as text or, where Postgres would not take that, as the hex of its bytes. At most 500, and at most 4 MB, but
-- always one.
create function audit.stored_records(p_log text, p_first bigint)
  returns table (index bigint, canonical text, bytes text)
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  with page as (
    select r.index, r.canonical, null::text as bytes, octet_length(r.canonical) as size
      from audit.record r
      where r.log = p_log and r.index >= p_first and r.index < p_first + 500
    union all
    select q.index, null, encode(q.bytes, 'hex'), 2 * octet_length(q.bytes)
      from audit.quarantined q
      where q.log = p_log and q.index >= p_first and q.index < p_first + 500
  ), summed as (
    select p.*, sum(p.size) over (order by p.index) as so_far from page p
  )
  select s.index, s.canonical, s.bytes from summed s
    where s.so_far <= 4000000 or s.index = p_first
    order by s.index
$$;

revoke all on function audit.stored_records(text, bigint) from public;
grant execute on function audit.stored_records(text, bigint) to audit_writer;
