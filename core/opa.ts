import * as library from '@open-policy-agent/opa-wasm';

/** The library's types promise named exports; its ES module has this one under `default` only. */
const { loadPolicySync } = (library as unknown as { readonly default: typeof library }).default;

/** Evaluates an input to OPA's result set. May throw anything, as OPA's library and its module do. */
export type Evaluate = (input: unknown) => unknown;

/** What the library keeps of a module that it has instantiated. */
interface Loaded {
  readonly wasmInstance: { readonly exports: { readonly opa_eval: OpaEval } };
  readonly mem: WebAssembly.Memory;
  readonly dataAddr: number;
  /** What lies above is free for an evaluation. */
  readonly dataHeapPtr: number;
}

/** `opa_eval` of the WebAssembly ABI 1.2: the address of the result set, JSON text that a zero byte ends. */
type OpaEval = (
  reserved: 0,
  entrypoint: number,
  data: number,
  input: number,
  inputLength: number,
  heap: number,
  format: 0,
) => number;

const PAGE_BYTES = 65_536;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * Instantiates a compiled policy with its data. The library does that; its `evaluate` is not used, because the encoder, the
 * decoder and the buffers that it makes for each call are objects of the runtime: under load they took up to half of the time.
 * The input is a JSON value, or the bytes of its text.
 * @param memory in pages of 64 KiB.
 */
export function evaluatorOf(
  module: WebAssembly.Module,
  data: object,
  memory: { readonly initial: number; readonly maximum?: number } = { initial: 5 },
): Evaluate {
  const policy = loadPolicySync(module, memory);
  policy.setData(data);
  const { wasmInstance, mem, dataAddr, dataHeapPtr: at } = policy as unknown as Loaded;
  let bytes = new Uint8Array(mem.buffer);
  /** The whole memory: growing it, as an evaluation may, detaches what stood for it before. */
  const whole = () => {
    if (bytes.buffer !== mem.buffer) bytes = new Uint8Array(mem.buffer);
    return bytes;
  };
  const room = (most: number) => {
    const lacking = at + most - mem.buffer.byteLength;
    if (lacking > 0) mem.grow(Math.ceil(lacking / PAGE_BYTES));
    return whole().subarray(at);
  };
  const write = (input: unknown): number => {
    if (input instanceof ArrayBuffer) {
      room(input.byteLength).set(new Uint8Array(input));
      return input.byteLength;
    }
    const text = JSON.stringify(input);
    // No UTF-16 code unit takes more than three bytes.
    return text === undefined ? 0 : encoder.encodeInto(text, room(3 * text.length)).written;
  };
  return (input) => {
    const length = write(input);
    const { opa_eval: evaluate } = wasmInstance.exports;
    const result = evaluate(0, 0, dataAddr, length === 0 ? 0 : at, length, at + length, 0);
    const end = whole().indexOf(0, result);
    return JSON.parse(decoder.decode(bytes.subarray(result, end)));
  };
}
