-- Whoever appends a batch has read each text by then: the columns that repeat what it says are filled by the statement that
-- inserts it, in two thirds of the time that a trigger for each row takes. Who inserts a row in another way leaves them out,
-- and the trigger fills them.

drop trigger fill_columns on audit.record;
create trigger fill_columns before insert on audit.record
  for each row when (new.leaf is null) execute function audit.fill_columns();

-- Stores records p_first, p_first + 1, … of a log, each the canonical text of one. Records that are there already
-- with the same leaf hash count as stored, so a call can be repeated. Returns the log's head (the number of
-- indexes it holds) and the hex leaf hash at head - 1.
create or replace function audit.append_batch(p_log text, p_first bigint, p_rows jsonb)
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
  v_log_fits boolean;
  v_index_fits boolean;
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
      with given as materialized (
        select e.canonical, p_first + e.ord - 1 as index, e.canonical::jsonb as said
        from jsonb_array_elements_text(p_rows) with ordinality as e (canonical, ord)
        where e.ord > v_there
      ), stored as (
        insert into audit.record (log, index, at, canonical, leaf, time_ms, tenant, phase, request_id, actor_issuer,
          actor_sub, action, operation, decision, reasons, result, count)
        select p_log, g.index, to_timestamp((g.said ->> 'time')::bigint / 1000.0), g.canonical,
          sha256('\x00'::bytea || convert_to(g.canonical, 'UTF8')), (g.said ->> 'time')::bigint, g.said ->> 'tenant',
          g.said ->> 'phase', g.said ->> 'request_id', g.said #>> '{actor,issuer}', g.said #>> '{actor,sub}',
          g.said ->> 'action', g.said ->> 'operation', g.said ->> 'decision', g.said -> 'reasons',
          g.said #>> '{outcome,result}', coalesce((g.said ->> 'count')::integer, 1)
        from given g
      )
      select coalesce(bool_and((g.said ->> 'log') is not distinct from p_log), true),
        coalesce(bool_and((g.said ->> 'index')::bigint is not distinct from g.index), true)
        into v_log_fits, v_index_fits
        from given g;
      if not v_log_fits then
        raise check_violation using constraint = 'record_log_is_in_text';
      end if;
      if not v_index_fits then
        raise check_violation using constraint = 'record_index_is_in_text';
      end if;
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
