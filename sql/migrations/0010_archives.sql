-- Months that have left the database. Of an archived record its leaf hash stays, so that proofs can be made for it and a
-- log whose object lost everything can be taken up again; the record itself is in the file that `archive` names.

create table audit.archive (
  log text collate "C" not null,
  -- The archive holds the log's records from `first` up to and without `past`.
  first bigint not null check (first >= 0),
  past bigint not null,
  month date not null check (month = date_trunc('month', month)::date),
  name text not null check (name <> ''),
  sha256 bytea not null check (length(sha256) = 32),
  -- The roots of the complete subtrees of the tree of `past` records, largest first.
  frontier bytea not null check (length(frontier) > 0 and length(frontier) % 32 = 0),
  archived_at timestamptz not null default now(),
  tenant text collate "C" not null generated always as (substring(log from '^(.*)~[0-9]+~[0-9]+$')) stored,
  primary key (log, first),
  check (past > first)
);

create table audit.archived_leaves (
  log text collate "C" not null,
  first bigint not null,
  leaves bytea not null check (length(leaves) between 32 and 32 * 256 and length(leaves) % 32 = 0),
  primary key (log, first)
);

-- A tenant is held when its last row says so. Whatever is held is not archived.
create table audit.hold (
  tenant text collate "C" not null,
  number bigint not null generated always as identity,
  held boolean not null,
  reason text not null check (length(reason) between 1 and 500),
  request_id text not null unique,
  at timestamptz not null default now(),
  primary key (tenant, number)
);

do $$
declare
  v_table text;
begin
  foreach v_table in array array['archive', 'archived_leaves', 'hold'] loop
    execute format('create trigger append_only before update or delete or truncate on audit.%I
      for each statement execute function audit.refuse_change()', v_table);
    execute format('alter table audit.%I enable always trigger append_only', v_table);
    execute format('alter table audit.%I enable row level security', v_table);
  end loop;
end
$$;
create policy tenant_of_session on audit.archive for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));
create policy tenant_of_session on audit.hold for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));
grant select on audit.archive, audit.hold to audit_reader;

-- Says whether a tenant's records are held from now on. The same request says it once.
create function audit.set_hold(p_tenant text, p_held boolean, p_reason text, p_request_id text)
  returns boolean -- whether it was said before
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
begin
  if p_tenant collate "C" !~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$' then
    raise exception 'not a tenant' using errcode = 'invalid_parameter_value';
  end if;
  insert into audit.hold (tenant, held, reason, request_id) values (p_tenant, p_held, p_reason, p_request_id)
    on conflict (request_id) do nothing;
  return not found;
end
$$;

-- As before, and also of records that are archived.
create or replace function audit.stored_leaves(p_log text, p_first bigint, p_end bigint)
  returns table (index bigint, leaf bytea)
  language sql stable
  set search_path = pg_catalog, audit, pg_temp
as $$
  select r.index, r.leaf from audit.record r
    where r.log = p_log and r.index >= p_first and r.index < p_end
  union all
  select q.index, q.leaf from audit.quarantined q
    where q.log = p_log and q.index >= p_first and q.index < p_end
  union all
  select a.first + i.i, substring(a.leaves from 1 + 32 * i.i for 32)
    from audit.archived_leaves a
    cross join lateral generate_series(0, length(a.leaves) / 32 - 1) as i (i)
    where a.log = p_log and a.first < p_end and a.first + 256 > p_first
      and a.first + i.i >= p_first and a.first + i.i < p_end
$$;

-- As before; of an archived record its leaf hash, hex.
drop function audit.stored_records(text, bigint);
create function audit.stored_records(p_log text, p_first bigint)
  returns table (index bigint, canonical text, bytes text, leaf text)
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  with page as (
    select r.index, r.canonical, null::text as bytes, null::text as leaf, octet_length(r.canonical) as size
      from audit.record r
      where r.log = p_log and r.index >= p_first and r.index < p_first + 500
    union all
    select q.index, null, encode(q.bytes, 'hex'), null, 2 * octet_length(q.bytes)
      from audit.quarantined q
      where q.log = p_log and q.index >= p_first and q.index < p_first + 500
    union all
    select a.first + i.i, null, null, encode(substring(a.leaves from 1 + 32 * i.i for 32), 'hex'), 64
      from audit.archived_leaves a
      cross join lateral generate_series(0, length(a.leaves) / 32 - 1) as i (i)
      where a.log = p_log and a.first < p_first + 500 and a.first + 256 > p_first
        and a.first + i.i >= p_first and a.first + i.i < p_first + 500
  ), summed as (
    select p.*, sum(p.size) over (order by p.index) as so_far from page p
  )
  select s.index, s.canonical, s.bytes, s.leaf from summed s
    where s.so_far <= 4000000 or s.index = p_first
    order by s.index
$$;

revoke all on function audit.set_hold(text, boolean, text, text), audit.stored_records(text, bigint) from public;
grant execute on function audit.set_hold(text, boolean, text, text), audit.stored_records(text, bigint)
  to audit_writer;
