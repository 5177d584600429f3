import type { Namespace } from '../../core/ids.ts';
import type { OriginKind } from './catalogue/types.ts';
import type { Upstream } from './upstream.ts';

/** Where a tenant's memories live: which Mem0, of which kind, and how the tenant's ids stand in it. */
export interface Home {
  readonly space: Namespace;
  readonly kind: OriginKind;
  readonly upstream: Upstream;
}

/** Every tenant's home: its own Mem0 where it has one, else the pool's. */
export interface Homes {
  of(tenant: string): Home;
}
