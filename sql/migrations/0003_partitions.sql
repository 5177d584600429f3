-- Months are UTC months. A partition carries its own trigger and its own row security, without a policy: nobody
-- but the owner reads it directly, and both stay with it when it is detached.

-- Makes the partition of the month that begins at p_month unless it is there; says whether it made it. The
-- caller holds the lock of ensure_partitions.
create function audit.make_partition(p_month timestamptz) returns boolean
  language plpgsql
  set search_path = pg_catalog, audit, pg_temp
  set timezone = 'UTC'
as $$
declare
  v_name text := 'record_' || to_char(p_month, 'YYYY_MM');
begin
  if exists (
    select from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'audit.record'::regclass and c.relname = v_name
  ) then
    return false;
  end if;
  execute format('create table audit.%I partition of audit.record for values from (%L) to (%L)',
    v_name, p_month, p_month + interval '1 month');
  execute format('alter table audit.%I enable row level security', v_name);
  execute format('create trigger append_only before update or delete or truncate on audit.%I
    for each statement execute function audit.refuse_change()', v_name);
  execute format('alter table audit.%I enable always trigger append_only', v_name);
  return true;
end
$$;

-- Makes the partitions from the last one there is (or the month before this one) to p_ahead months ahead, so that
-- no month is left out however long nobody called. Returns how many it made. Safe under concurrency. The lock on
-- the table that a new partition needs is waited for briefly only, because appends queue up behind it.
create function audit.ensure_partitions(p_ahead integer default 3) returns integer
  language plpgsql security definer
  set search_path = pg_catalog, audit, pg_temp
  set timezone = 'UTC'
  set lock_timeout = '5s'
as $$
declare
  v_this timestamptz := date_trunc('month', now());
  v_month timestamptz;
  v_made integer := 0;
begin
  if p_ahead is null or p_ahead not between 0 and 24 then
    raise exception 'p_ahead is not between 0 and 24' using errcode = 'invalid_parameter_value';
  end if;
  perform pg_advisory_xact_lock(hashtextextended('audit.ensure_partitions', 0));
  select least(max(to_timestamp(substring(c.relname from '\d{4}_\d{2}$'), 'YYYY_MM')), v_this - interval '1 month')
    into v_month
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'audit.record'::regclass;
  while v_month <= v_this + make_interval(months => p_ahead) loop
    if audit.make_partition(v_month) then
      v_made := v_made + 1;
    end if;
    v_month := v_month + interval '1 month';
  end loop;
  return v_made;
end
$$;

select audit.ensure_partitions();
