-- What the gateway's writer may do, and all that it may do. SQLSTATEs of its own:
--   AL001  the call would leave a gap: its index is beyond the log's head
--   AL002  an index that is already stored holds another leaf hash
-- Errors name the log and the index, never a record's content.

-- The parts of a log's name `<tenant>~<shard>~<epoch>`; what is none is refused.
create function audit.parse_log(p_log text, out tenant text, out shard integer, out epoch integer)
  language plpgsql immutable
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_parts text[] := regexp_match(p_log collate "C",
    '^(~strangers|[A-Za-z0-9][A-Za-z0-9._-]{0,63})~(0|[1-9][0-9]{0,4})~([1-9][0-9]{0,8})$');
begin
  if v_parts is null then
    raise exception 'malformed log name' using errcode = 'invalid_parameter_value';
  end if;
  tenant := v_parts[1];
  shard := v_parts[2];
  epoch := v_parts[3];
end
$$;

-- Locks the log's row until the transaction ends, making it when the log is new.
create function audit.lock_head(p_log text) returns audit.log_head
  language plpgsql
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_row audit.log_head;
begin
  select * into v_row from audit.log_head h where h.log = p_log for update;
  if not found then
    insert into audit.log_head (log, tenant, shard, epoch)
      select p_log, n.tenant, n.shard, n.epoch from audit.parse_log(p_log) n
      on conflict do nothing;
    select * into strict v_row from audit.log_head h where h.log = p_log for update;
  end if;
  return v_row;
end
$$;

-- The stored leaf hashes of a stretch of a log, from p_first up to and without p_end.
create function audit.stored_leaves(p_log text, p_first bigint, p_end bigint)
  returns table (index bigint, leaf bytea)
  language sql stable
  set search_path = pg_catalog, audit, pg_temp
as $$
  select r.index, r.leaf from audit.record r
    where r.log = p_log and r.index >= p_first and r.index < p_end
  union all
  select q.index, q.leaf from audit.quarantined q
    where q.log = p_log and q.index >= p_first and q.index < p_end
$$;

-- Stores records p_first, p_first + 1, … of a log, each the canonical text of one. Records that are there already
-- with the same leaf hash count as stored, so a call can be repeated. Returns the log's head (the number of
-- indexes it holds) and the hex leaf hash at head - 1.
create function audit.append_batch(p_log text, p_first bigint, p_rows jsonb)
  returns table (head bigint, last_leaf text)
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
  set timezone = 'UTC'
as $$
declare
  v_row audit.log_head;
  v_given integer;
  v_there bigint;
  v_bad bigint;
  v_month timestamptz;
  v_state text;
  v_constraint text;
begin
  if p_first is null or p_first < 0 or p_rows is null or jsonb_typeof(p_rows) <> 'array'
    or jsonb_path_exists(p_rows, 'strict $[*] ? (@.type() != "string")') then
    raise exception 'p_first is not an index or p_rows not an array of strings'
      using errcode = 'invalid_parameter_value';
  end if;
  v_row := audit.lock_head(p_log);
  if p_first > v_row.head then
    raise exception 'gap in log %: first %, head %', p_log, p_first, v_row.head using errcode = 'AL001';
  end if;
  v_given := jsonb_array_length(p_rows);
  v_there := least(v_row.head - p_first, v_given);

  if v_there > 0 then
    select min(p_first + g.ord - 1) into v_bad
      from jsonb_array_elements_text(p_rows) with ordinality as g (canonical, ord)
      left join audit.stored_leaves(p_log, p_first, p_first + v_there) s on s.index = p_first + g.ord - 1
      where g.ord <= v_there and s.leaf is distinct from audit.leaf_hash(g.canonical);
    if v_bad is not null then
      raise exception 'log % holds another record at index %', p_log, v_bad using errcode = 'AL002';
    end if;
  end if;

  if v_given > v_there then
    begin
      -- ensure_partitions() looks ahead only. Months that are over, which a resend after a long outage can need,
      -- are made here; it comes before the first look at audit.record, whose lock it would have to raise.
      v_month := date_trunc('month', audit.record_time(p_rows ->> v_there::integer));
      while v_month < date_trunc('month', least(now(), audit.record_time(p_rows ->> -1))) + interval '1 month'
        and v_month < date_trunc('month', now()) loop
        if to_regclass('audit.record_' || to_char(v_month, 'YYYY_MM')) is null then
          perform pg_advisory_xact_lock(hashtextextended('audit.ensure_partitions', 0));
          perform audit.make_partition(v_month);
        end if;
        v_month := v_month + interval '1 month';
      end loop;
      insert into audit.record (log, index, at, canonical)
        select p_log, p_first + g.ord - 1, audit.record_time(g.canonical), g.canonical
        from jsonb_array_elements_text(p_rows) with ordinality as g (canonical, ord)
        where g.ord > v_there;
    exception when others then
      -- Postgres quotes the refused row in its own message; what is passed on says where it stands instead.
      get stacked diagnostics v_state = returned_sqlstate, v_constraint = constraint_name;
      if v_constraint = '' then
        raise exception 'log %: records from index % on were not stored', p_log, p_first + v_there
          using errcode = v_state;
      end if;
      raise exception 'log %: records from index % on were not stored', p_log, p_first + v_there
        using errcode = v_state, constraint = v_constraint;
    end;
    update audit.log_head h
      set head = p_first + v_given, last_leaf = audit.leaf_hash(p_rows ->> -1)
      where h.log = p_log
      returning * into v_row;
  end if;
  return query select v_row.head, encode(v_row.last_leaf, 'hex');
end
$$;

-- Stores as bytes the one record at p_index that append_batch refused with p_sqlstate, and moves the head over
-- it. Can be repeated with the same bytes. Returns what append_batch returns.
create function audit.quarantine(p_log text, p_index bigint, p_bytes bytea, p_sqlstate text)
  returns table (head bigint, last_leaf text)
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_row audit.log_head;
begin
  if p_index is null or p_index < 0 or p_bytes is null or p_sqlstate is null
    or p_sqlstate collate "C" !~ '^[0-9A-Z]{5}$' then
    raise exception 'p_index is not an index, p_bytes missing or p_sqlstate not a SQLSTATE'
      using errcode = 'invalid_parameter_value';
  end if;
  v_row := audit.lock_head(p_log);
  if p_index > v_row.head then
    raise exception 'gap in log %: index %, head %', p_log, p_index, v_row.head using errcode = 'AL001';
  end if;
  if p_index < v_row.head then
    if not exists (select from audit.quarantined q
      where q.log = p_log and q.index = p_index and q.bytes = p_bytes) then
      raise exception 'log % holds another record at index %', p_log, p_index using errcode = 'AL002';
    end if;
  else
    insert into audit.quarantined (log, index, bytes, sqlstate) values (p_log, p_index, p_bytes, p_sqlstate);
    update audit.log_head h
      set head = p_index + 1, last_leaf = sha256('\x00'::bytea || p_bytes)
      where h.log = p_log
      returning * into v_row;
  end if;
  return query select v_row.head, encode(v_row.last_leaf, 'hex');
end
$$;

-- Where a log ends (0 and null when it is unknown), and the highest epoch known of its tenant's shard (0: none).
create function audit.log_state(p_log text)
  returns table (head bigint, last_leaf text, highest_epoch integer)
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  select coalesce(h.head, 0), encode(h.last_leaf, 'hex'),
      coalesce((select max(o.epoch) from audit.log_head o where o.tenant = n.tenant and o.shard = n.shard), 0)
    from audit.parse_log(p_log) n
    left join audit.log_head h on h.log = p_log
$$;

-- The hex leaf hash stored at an index; no row when the log does not hold it.
create function audit.leaf_at(p_log text, p_index bigint) returns table (leaf text)
  language sql stable security definer
  set search_path = pg_catalog, audit, pg_temp
as $$
  select encode(s.leaf, 'hex') from audit.stored_leaves(p_log, p_index, p_index + 1) s
$$;
