/**
 * Who may see what, as simply as it can be said: a memory is its tenant's, and a request of a tenant sees of its own
 * memories those that have every id and fulfil every condition. Knows nothing of prefixes, filters' syntax or Mem0.
 */
export interface Ids {
  readonly user_id?: string;
  readonly agent_id?: string;
  readonly run_id?: string;
}

export interface Memory {
  readonly id: string;
  readonly tenant: string;
  readonly ids: Ids;
  readonly text: string;
  readonly colour: string;
}

/** What a search asks of the one metadata key that the memories have. */
export type Condition =
  | { readonly is: 'any' }
  | { readonly is: 'equal' | 'different'; readonly colour: string }
  | { readonly is: 'one of' | 'none of'; readonly colours: readonly string[] };

export class Model {
  readonly #memories = new Map<string, Memory>();
  /** Memories that were deleted: their history is still their tenant's. */
  readonly #deleted = new Map<string, string>();

  add(memory: Memory): void {
    this.#memories.set(memory.id, memory);
  }

  all(): readonly Memory[] {
    return [...this.#memories.values()];
  }

  own(tenant: string, id: string): Memory | undefined {
    const memory = this.#memories.get(id);
    return memory?.tenant === tenant ? memory : undefined;
  }

  hasHistory(tenant: string, id: string): boolean {
    return this.own(tenant, id) !== undefined || this.#deleted.get(id) === tenant;
  }

  visible(tenant: string, ids: Ids, condition: Condition = { is: 'any' }): readonly Memory[] {
    return this.all().filter(
      (memory) => memory.tenant === tenant && hasAll(memory.ids, ids) && fulfils(memory.colour, condition),
    );
  }

  change(tenant: string, id: string, text: string): void {
    const memory = this.own(tenant, id);
    if (memory) this.#memories.set(id, { ...memory, text });
  }

  remove(memories: readonly Memory[]): void {
    for (const { id, tenant } of memories) {
      this.#memories.delete(id);
      this.#deleted.set(id, tenant);
    }
  }
}

function hasAll(ids: Ids, asked: Ids): boolean {
  return Object.entries(asked).every(([kind, id]) => ids[kind as keyof Ids] === id);
}

function fulfils(colour: string, condition: Condition): boolean {
  switch (condition.is) {
    case 'any':
      return true;
    case 'equal':
      return colour === condition.colour;
    case 'different':
      return colour !== condition.colour;
    case 'one of':
      return condition.colours.includes(colour);
    case 'none of':
      return !condition.colours.includes(colour);
  }
}
