import type { Json } from './canonical.ts';

export type JsonObject = { readonly [member: string]: Json | undefined };

/** Whether a value read from JSON is an object and no list. */
export function isObject(value: unknown): value is { readonly [member: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object of own members, whatever they are called: no name can reach a prototype. */
export function objectOf(entries: Iterable<readonly [string, Json]>): JsonObject {
  return Object.fromEntries(entries) as JsonObject;
}

/** Names that reach an object's prototype in some readers of JSON. */
export const UNSAFE_NAMES: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Every control character except the line breaks and tabs that text is made of. */
export const TEXT_CONTROL = /[^\P{Cc}\n\r\t]/u;
