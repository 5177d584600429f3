import module from '@chainsafe/as-sha256/build/optimized.wasm';

/** What the module exports: `digest` takes what stands in the input, of which it holds `INPUT_LENGTH` bytes. */
interface Sha256 extends WebAssembly.Exports {
  readonly memory: WebAssembly.Memory;
  readonly INPUT_LENGTH: WebAssembly.Global;
  readonly input: WebAssembly.Global;
  readonly output: WebAssembly.Global;
  digest(length: number): void;
  init(): void;
  update(pointer: number, length: number): void;
  final(pointer: number): void;
}

// The runtime's own SHA-256 takes less time, but a call into it makes objects on both sides of the border, which under load
// costs several times what the hash does (bench/README.md).

const HASH_BYTES = 32;
const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

const sha256 = new WebAssembly.Instance(module, {
  env: {
    abort() {
      throw new Error('SHA-256 was aborted');
    },
  },
}).exports as Sha256;
const room: number = sha256.INPUT_LENGTH.value;
const from: number = sha256.input.value;
const to: number = sha256.output.value;
/** Owned by the call that runs: nothing in it awaits. The module's memory never grows, so these stay attached. */
const input = new Uint8Array(sha256.memory.buffer, from, room);
const output = new Uint8Array(sha256.memory.buffer, to, HASH_BYTES);

function run(bytes: Uint8Array): void {
  if (bytes.length <= room) {
    input.set(bytes);
    sha256.digest(bytes.length);
    return;
  }
  sha256.init();
  for (let at = 0; at < bytes.length; at += room) {
    const part = bytes.subarray(at, at + room);
    input.set(part);
    sha256.update(from, part.length);
  }
  sha256.final(to);
}

/** SHA-256 (FIPS 180-4 §6.2), hex. */
export function hashHex(bytes: Uint8Array): string {
  run(bytes);
  let hex = '';
  for (let i = 0; i < HASH_BYTES; i++) hex += HEX[output[i]!];
  return hex;
}

/** SHA-256 (FIPS 180-4 §6.2), 32 bytes. */
export function hashBytes(bytes: Uint8Array): Uint8Array {
  run(bytes);
  return output.slice();
}
