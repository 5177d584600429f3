import { formatCheckpoint, originOf } from '../../core/checkpoint.ts';
import { logName } from '../../core/names.ts';
import { formatNote, openNote, parseNote, type SignerKey, signNote } from '../../core/note.ts';
import type { CheckpointAnswer, SignedCheckpoint } from '../../core/rpc.ts';
import type { Log } from './flush.ts';
import type { AuditMachine, Comparison } from './machine.ts';
import { type AuditSink, SinkFailure, type SinkState } from './sink.ts';

export interface CheckpointerOptions {
  readonly machine: AuditMachine;
  readonly sink: AuditSink;
  readonly log: Log;
  readonly now: () => number;
  /** Sends what waits to Postgres. */
  readonly flush: () => Promise<void>;
  /** Holds the log against what Postgres says of it, and tells the operator what came of it. */
  readonly compare: (state: SinkState) => Comparison;
  /** The gateway's part of every log's origin. */
  readonly origin: string;
  readonly signer: SignerKey;
  readonly intervalMs: number;
  /** An id for the record of a change of keys. */
  readonly newId: () => string;
}

const MIN_PAUSE_MS = 1000;
const MAX_PAUSE_MS = 10 * 60_000;

/** The log may move while Postgres answers; this many turns follow it, and then the next attempt does. */
const TURNS = 8;

/**
 * Signs how large the log is and what its root is. Only sizes that Postgres says it holds are signed, only after the
 * last checkpoint was read back from there and found to be a beginning of this log, and a checkpoint is handed out
 * only when Postgres has stored it. Between that reading and the signature nothing awaits.
 */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  /** The attempt that runs; whoever comes meanwhile shares it. */
  #running: Promise<CheckpointAnswer> | undefined;
  #failures = 0;
  /** No attempt of the schedule's before then. */
  #notBefore = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
  }

  /** When the schedule wants the next one, in wall time; `undefined`: nothing has come since the last. */
  next(): number | undefined {
    const due = this.#options.machine.checkpointDue(this.#options.intervalMs);
    return due === undefined ? undefined : Math.max(due, this.#notBefore);
  }

  /** Never throws for what Postgres does. @throws when the object's own storage fails. */
  sign(): Promise<CheckpointAnswer> {
    this.#running ??= this.#attempt().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /**
   * The same for an epoch that a fork has closed. The schedule is that of the log that goes on, so whoever asks for this
   * leaves it as it is. @throws when the object's own storage fails.
   */
  async signClosed(log: string): Promise<CheckpointAnswer> {
    try {
      return await this.#signClosed(log);
    } catch (error) {
      if (!(error instanceof SinkFailure)) throw error;
      this.#options.log('audit_checkpoint_failed', { log, failure: error.label });
      return { ok: false, code: 'unavailable' };
    }
  }

  async #attempt(): Promise<CheckpointAnswer> {
    const { machine, log, now } = this.#options;
    try {
      const answer = await this.#sign();
      this.#failures = 0;
      this.#notBefore = 0;
      return answer;
    } catch (error) {
      if (!(error instanceof SinkFailure)) throw error;
      const pause = Math.min(MAX_PAUSE_MS, MIN_PAUSE_MS * 2 ** Math.min(this.#failures++, 16));
      this.#notBefore = now() + pause;
      log('audit_checkpoint_failed', { log: machine.log, failure: error.label, failures: this.#failures });
      return { ok: false, code: 'unavailable' };
    }
  }

  /** @throws SinkFailure when it cannot be done now, or not before somebody looked at what is wrong. */
  async #sign(): Promise<CheckpointAnswer> {
    const { machine, sink, compare, signer, now, newId } = this.#options;
    for (let turn = 0; turn < TURNS; turn++) {
      const { log, state: before } = machine;
      const { state, checkpoint } = await sink.lastCheckpoint(log);
      // A flush that came between knows more of Postgres than this answer, and may have begun another epoch.
      if (machine.log !== log || machine.state.flushed !== before.flushed) continue;
      if (compare(state).kind === 'forked') throw new SinkFailure('transient', 'forked');
      const { flushed } = machine.state;
      const kept = machine.checkpoint;
      const size = Math.max(checkpoint?.size ?? 0, kept?.size ?? 0);
      if (checkpoint && checkpoint.size <= machine.state.size && !machine.begins(checkpoint)) {
        throw new SinkFailure('mismatch', 'not_an_extension');
      }
      // Postgres vouches for less than was signed already: what it lost has to be sent again first.
      if (size > flushed) throw new SinkFailure('transient', 'behind_checkpoint');
      // A database that was put back is given again the last one that was handed out.
      if (kept !== undefined && kept.size > (checkpoint?.size ?? 0) && kept.size < flushed) {
        await sink.storeCheckpoint(machine.log, kept.size, kept.root, kept.note);
        continue;
      }
      if (checkpoint !== null && kept === undefined) {
        machine.keepCheckpoint(checkpoint, this.#signerOf(checkpoint), now());
      }
      if (machine.changeKey(signer.verifier.hash, newId(), now())) {
        await this.#options.flush();
        continue;
      }
      if (flushed < machine.signsFrom) throw new SinkFailure('transient', 'key_not_covered');
      if (flushed === 0) return { ok: false, code: 'empty' };
      if (checkpoint?.size === flushed) return this.#keep(this.#own(checkpoint));
      return this.#keep(await this.#store(flushed, log));
    }
    throw new SinkFailure('transient', 'busy');
  }

  /**
   * Signs what Postgres holds of an epoch that was closed by a fork, and that this object has taken in. It is not kept
   * here: nothing follows it. @throws SinkFailure
   */
  async #signClosed(log: string): Promise<CheckpointAnswer> {
    const { machine, sink } = this.#options;
    const { state, checkpoint } = await sink.lastCheckpoint(log);
    const { head, lastLeaf } = state;
    // Nothing leaves a closed epoch: of one that was cut, no size is signed that would make the cut look like its end.
    if (head < machine.sizeOf(log)) throw new SinkFailure('transient', 'cut');
    if (machine.inclusion({ log, index: head - 1 }, head)?.leaf !== lastLeaf) {
      throw new SinkFailure('transient', 'not_taken_in');
    }
    if (checkpoint && !machine.begins(checkpoint, log)) throw new SinkFailure('mismatch', 'not_an_extension');
    const last = checkpoint?.size === head ? checkpoint : await this.#store(head, log);
    return { ok: true, ...last, log };
  }

  async #store(size: number, log: string): Promise<SignedCheckpoint> {
    const { machine, sink, origin, signer } = this.#options;
    const { log: current } = machine;
    const root = machine.root(size, log);
    if (root === undefined) throw new SinkFailure('transient', 'not_packed');
    const text = formatCheckpoint({ origin: originOf(origin, log), size, root, extensions: [] });
    const note = formatNote({ text, signatures: [signNote(text, signer)] });
    const stored = await sink.storeCheckpoint(log, size, Buffer.from(root).toString('hex'), note);
    if (machine.log !== log && log === current) throw new SinkFailure('transient', 'another_epoch');
    if (stored.size !== size || stored.note !== note) throw new SinkFailure('mismatch', 'another_checkpoint');
    return stored;
  }

  /** What is handed out is signed by the key that signs now, whoever wrote it into the database. */
  #own(checkpoint: SignedCheckpoint): SignedCheckpoint {
    const opened = openNote(checkpoint.note, [this.#options.signer.verifier]);
    if (!opened.ok) throw new SinkFailure('mismatch', 'not_signed_here');
    return checkpoint;
  }

  /** The hash of the gateway's key under a checkpoint that this object did not keep, as after a loss of its storage. */
  #signerOf({ note }: SignedCheckpoint): string {
    const { name, hash } = this.#options.signer.verifier;
    return parseNote(note)?.signatures.find((line) => line.name === name)?.hash ?? hash;
  }

  #keep(checkpoint: SignedCheckpoint): CheckpointAnswer {
    const { machine, signer, now } = this.#options;
    machine.keepCheckpoint(checkpoint, signer.verifier.hash, now());
    return { ok: true, ...checkpoint, log: logName(machine.state) };
  }
}
