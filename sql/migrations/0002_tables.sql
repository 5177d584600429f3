-- One row per audit record. `canonical` holds the exact text whose UTF-8 bytes are hashed; everything else is
-- computed from it, or held equal to it by a constraint.
create table audit.record (
  log text collate "C" not null,
  index bigint not null,
  at timestamptz not null,
  canonical text not null,
  leaf bytea not null generated always as (audit.leaf_hash(canonical)) stored,
  time_ms bigint not null generated always as ((canonical::jsonb ->> 'time')::bigint) stored,
  tenant text collate "C" not null generated always as (canonical::jsonb ->> 'tenant') stored,
  phase text not null generated always as (canonical::jsonb ->> 'phase') stored,
  request_id text not null generated always as (canonical::jsonb ->> 'request_id') stored,
  actor_issuer text generated always as (canonical::jsonb #>> '{actor,issuer}') stored,
  actor_sub text generated always as (canonical::jsonb #>> '{actor,sub}') stored,
  action text generated always as (canonical::jsonb ->> 'action') stored,
  operation text generated always as (canonical::jsonb ->> 'operation') stored,
  decision text not null generated always as (canonical::jsonb ->> 'decision') stored,
  reasons jsonb not null generated always as (canonical::jsonb -> 'reasons') stored,
  result text generated always as (canonical::jsonb #>> '{outcome,result}') stored,
  count integer not null generated always as (coalesce((canonical::jsonb ->> 'count')::integer, 1)) stored,
  primary key (log, index, at),
  constraint record_at_is_time check (at = to_timestamp(time_ms / 1000.0)),
  constraint record_log_is_in_text check ((canonical::jsonb ->> 'log') is not distinct from log),
  constraint record_index_is_in_text
    check ((canonical::jsonb ->> 'index')::bigint is not distinct from index),
  constraint record_tenant_is_the_logs check (tenant = substring(log from '^(.*)~[0-9]+~[0-9]+$'))
) partition by range (at);

create index record_tenant_at on audit.record (tenant, at);
create index record_request_id on audit.record (request_id);

-- Where each log ends. The row is locked by every append, which makes (log, index) unique across the months.
create table audit.log_head (
  log text collate "C" primary key,
  tenant text collate "C" not null,
  shard integer not null,
  epoch integer not null,
  head bigint not null default 0 check (head >= 0),
  last_leaf bytea,
  unique (tenant, shard, epoch),
  constraint log_head_has_leaf check ((head = 0) = (last_leaf is null))
);

-- Records that Postgres takes neither as text nor as JSON, as bytes. They are part of their log.
create table audit.quarantined (
  log text collate "C" not null,
  index bigint not null,
  bytes bytea not null,
  leaf bytea not null generated always as (sha256('\x00'::bytea || bytes)) stored,
  sqlstate text not null check (sqlstate ~ '^[0-9A-Z]{5}$'),
  at timestamptz not null default now(),
  tenant text collate "C" not null generated always as (substring(log from '^(.*)~[0-9]+~[0-9]+$')) stored,
  primary key (log, index)
);

create trigger append_only before update or delete or truncate on audit.record
  for each statement execute function audit.refuse_change();
alter table audit.record enable always trigger append_only;

create trigger append_only before update or delete or truncate on audit.quarantined
  for each statement execute function audit.refuse_change();
alter table audit.quarantined enable always trigger append_only;

create trigger append_only before delete or truncate on audit.log_head
  for each statement execute function audit.refuse_change();
alter table audit.log_head enable always trigger append_only;

create trigger only_forward before update on audit.log_head
  for each row when (new.head < old.head or (new.log, new.tenant, new.shard, new.epoch)
    is distinct from (old.log, old.tenant, old.shard, old.epoch))
  execute function audit.refuse_change();
alter table audit.log_head enable always trigger only_forward;

-- Readers see the tenant that their session names, and nothing when it names none.
alter table audit.record enable row level security;
create policy tenant_of_session on audit.record for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));
alter table audit.log_head enable row level security;
create policy tenant_of_session on audit.log_head for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));
alter table audit.quarantined enable row level security;
create policy tenant_of_session on audit.quarantined for select to audit_reader
  using (tenant = current_setting('audit.tenant', true));

grant select on audit.record, audit.log_head, audit.quarantined to audit_reader;
