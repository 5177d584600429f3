-- An epoch that has a successor ends where its successor says, so nothing comes behind that end: neither what an object
-- sent late that was put back since, nor what another gateway writes into the same database. What is stored already counts
-- as stored, and a closed epoch still gets checkpoints. SQLSTATE besides those of 0004_append and 0007_checkpoints:
--   AL004  the log is closed: a later epoch of its tenant's shard is known

create function audit.refuse_closed() returns trigger
  language plpgsql
  set search_path = pg_catalog, audit, pg_temp
as $$
begin
  -- One epoch of a shard moves at a time, or an append to this one would not see the first of the next, which is not
  -- committed yet. It is the last lock that an append takes, so that none is waited for while it is held.
  perform pg_advisory_xact_lock(hashtextextended('audit.epochs of ' || new.tenant || '~' || new.shard, 0));
  if exists (select from audit.log_head h
    where h.tenant = new.tenant and h.shard = new.shard and h.epoch > new.epoch) then
    raise exception 'log % is closed at %', new.log, old.head using errcode = 'AL004';
  end if;
  return new;
end
$$;

revoke all on function audit.refuse_closed() from public;

create trigger only_open before update on audit.log_head
  for each row when (new.head > old.head)
  execute function audit.refuse_closed();
alter table audit.log_head enable always trigger only_open;
