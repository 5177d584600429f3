-- Signed statements of how large a log is and what its root is (C2SP tlog-checkpoint, as signed notes), and the
-- signatures of witnesses under them. The database checks neither signature nor root: it holds the order, so that no
-- log ever has two checkpoints that contradict each other by size. SQLSTATEs besides those of 0004_append:
--   AL003  the log has a checkpoint of this size or a larger one, and it is another

create table audit.checkpoint (
  log text collate "C" not null,
  size bigint not null check (size > 0),
  root bytea not null check (length(root) = 32),
  note text not null,
  signed_at timestamptz not null default now(),
  tenant text collate "C" not null generated always as (substring(log from '^(.*)~[0-9]+~[0-9]+$')) stored,
  primary key (log, size),
  -- The second and third line of a note are the size and the root, so a row never says other than its note does.
  constraint checkpoint_is_its_note check (split_part(note, E'\n', 2) = size::text
    and split_part(note, E'\n', 3) = encode(root, 'base64'))
);

create table audit.cosignature (
  log text collate "C" not null,
  size bigint not null,
  witness text not null check (witness <> ''),
  key_hash text not null check (key_hash ~ '^[0-9a-f]{8}$'),
  -- When the witness says that it signed, in seconds since 1970.
  seconds bigint not null check (seconds >= 0),
  line text not null,
  stored_at timestamptz not null default now(),
  tenant text collate "C" not null generated always as (substring(log from '^(.*)~[0-9]+~[0-9]+$')) stored,
  primary key (log, size, witness, key_hash)
);

create trigger append_only before update or delete or truncate on audit.checkpoint
  for each statement execute function audit.refuse_change();
alter table audit.checkpoint enable always trigger append_only;
create trigger append_only before update or delete or truncate on audit.cosignature
  for each statement execute function audit.refuse_change();
alter table audit.cosignature enable always trigger append_only;

alter table audit.checkpoint enable row level security;
create policy tenant_of_session on audit.checkpoint for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));
alter table audit.cosignature enable row level security;
create policy tenant_of_session on audit.cosignature for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));

-- The last checkpoint of a log; no row when it has none.
create function audit.last_checkpoint(p_log text)
  returns table (size bigint, root text, note text, signed_ms bigint)
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  select c.size, encode(c.root, 'hex'), c.note, (extract(epoch from c.signed_at) * 1000)::bigint
    from audit.checkpoint c where c.log = p_log order by c.size desc limit 1
$$;

-- Stores a checkpoint of p_size records, of which the log must hold as many. The same one can be stored again.
-- Returns what last_checkpoint returns.
create function audit.store_checkpoint(p_log text, p_size bigint, p_root bytea, p_note text)
  returns table (size bigint, root text, note text, signed_ms bigint)
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_row audit.log_head;
  v_last audit.checkpoint;
begin
  if p_size is null or p_size < 1 or p_root is null or p_note is null then
    raise exception 'p_size is not a size, or p_root or p_note is missing'
      using errcode = 'invalid_parameter_value';
  end if;
  v_row := audit.lock_head(p_log);
  if p_size > v_row.head then
    raise exception 'log % has % records, and no checkpoint of %', p_log, v_row.head, p_size
      using errcode = 'AL001';
  end if;
  select * into v_last from audit.checkpoint c where c.log = p_log order by c.size desc limit 1;
  if found and v_last.size >= p_size then
    if (v_last.size, v_last.root, v_last.note) is distinct from (p_size, p_root, p_note) then
      raise exception 'log % has another checkpoint, of % records', p_log, v_last.size using errcode = 'AL003';
    end if;
  else
    insert into audit.checkpoint (log, size, root, note) values (p_log, p_size, p_root, p_note);
  end if;
  return query select * from audit.last_checkpoint(p_log);
end
$$;

-- Stores the cosignature of a witness under a checkpoint, unless the log has no such checkpoint. A witness signs one
-- checkpoint once: a later signature of the same key changes nothing.
create function audit.store_cosignature(p_log text, p_size bigint, p_root bytea, p_witness text, p_key_hash text,
    p_seconds bigint, p_line text)
  returns text -- `stored`, `known`, or `no_checkpoint`
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
begin
  perform audit.parse_log(p_log);
  if not exists (select from audit.checkpoint c where c.log = p_log and c.size = p_size and c.root = p_root) then
    return 'no_checkpoint';
  end if;
  insert into audit.cosignature (log, size, witness, key_hash, seconds, line)
    values (p_log, p_size, p_witness, p_key_hash, p_seconds, p_line)
    on conflict do nothing;
  return case when found then 'stored' else 'known' end;
end
$$;

revoke all on function audit.last_checkpoint(text), audit.store_checkpoint(text, bigint, bytea, text),
  audit.store_cosignature(text, bigint, bytea, text, text, bigint, text) from public;
grant execute on function audit.last_checkpoint(text), audit.store_checkpoint(text, bigint, bytea, text),
  audit.store_cosignature(text, bigint, bytea, text, text, bigint, text) to audit_writer;
grant select on audit.checkpoint, audit.cosignature to audit_reader;
