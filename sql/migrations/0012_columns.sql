-- The columns that repeat what the text says are filled by a trigger, which reads the text once; as generated columns, and
-- with constraints on the text, each of them read it again, and a batch took more than three times as long. Whoever
-- inserts a row, they say what its text says.

alter table audit.record
  drop constraint record_log_is_in_text,
  drop constraint record_index_is_in_text;

do $$
declare
  v_column text;
begin
  for v_column in
    select attname from pg_attribute where attrelid = 'audit.record'::regclass and attgenerated = 's'
  loop
    execute format('alter table audit.record alter column %I drop expression', v_column);
  end loop;
end
$$;

create function audit.fill_columns() returns trigger
  language plpgsql
  set search_path = pg_catalog, audit, pg_temp
as $$
declare
  v_record jsonb := new.canonical::jsonb;
begin
  if (v_record ->> 'log') is distinct from new.log then
    raise check_violation using constraint = 'record_log_is_in_text';
  end if;
  if (v_record ->> 'index')::bigint is distinct from new.index then
    raise check_violation using constraint = 'record_index_is_in_text';
  end if;
  new.leaf := sha256('\x00'::bytea || convert_to(new.canonical, 'UTF8'));
  new.time_ms := v_record ->> 'time';
  new.tenant := v_record ->> 'tenant';
  new.phase := v_record ->> 'phase';
  new.request_id := v_record ->> 'request_id';
  new.actor_issuer := v_record #>> '{actor,issuer}';
  new.actor_sub := v_record #>> '{actor,sub}';
  new.action := v_record ->> 'action';
  new.operation := v_record ->> 'operation';
  new.decision := v_record ->> 'decision';
  new.reasons := v_record -> 'reasons';
  new.result := v_record #>> '{outcome,result}';
  new.count := coalesce((v_record ->> 'count')::integer, 1);
  return new;
end
$$;

revoke all on function audit.fill_columns() from public;

create trigger fill_columns before insert on audit.record
  for each row execute function audit.fill_columns();
