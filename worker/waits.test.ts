import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Waits, within } from './waits.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it('ends each wait in its own time, by one timer', () => {
  const waits = new Waits();
  const late: string[] = [];
  waits.after(5000, () => late.push('long'));
  waits.after(200, () => late.push('short'));
  const over = waits.after(300, () => late.push('answered'));
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(199);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['short']);
  over();
  vi.advanceTimersByTime(4799);
  expect(late).toEqual(['short']);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['short', 'long']);
  expect(vi.getTimerCount()).toBe(0);
});

it('rings again for one that came after the timer was set', () => {
  const waits = new Waits();
  const late: string[] = [];
  const over = waits.after(100, () => late.push('first'));
  vi.advanceTimersByTime(50);
  over();
  waits.after(100, () => late.push('second'));
  vi.advanceTimersByTime(99);
  expect(late).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(late).toEqual(['second']);
});

it('lets a wait that has ended begin another', () => {
  const waits = new Waits();
  const late: number[] = [];
  waits.after(10, () => waits.after(10, () => late.push(Date.now())));
  const begin = Date.now();
  vi.advanceTimersByTime(20);
  expect(late).toEqual([begin + 20]);
});

it('sets no timer for what is over, and none after its end', () => {
  const waits = new Waits();
  waits.after(10, () => expect.unreachable());
  waits.end();
  expect(vi.getTimerCount()).toBe(0);
  vi.advanceTimersByTime(20);
});

it('aborts a signal in its time, and not after its end', () => {
  const waits = new Waits();
  const signals = [waits.signal(100), waits.signal(50)];
  const aborted = () => signals.map((signal) => signal.aborted);
  expect(vi.getTimerCount()).toBe(1);
  vi.advanceTimersByTime(50);
  expect(aborted()).toEqual([false, true]);
  expect(signals[1]!.reason).toMatchObject({ name: 'TimeoutError' });
  waits.end();
  vi.advanceTimersByTime(1000);
  expect(aborted()).toEqual([false, true]);
});

it.each(['Waits.within', 'within'])(
  'gives the value, the failure, or undefined when it takes too long: %s',
  async (name) => {
    const waits = new Waits();
    const ask = <T>(promise: Promise<T>) =>
      name === 'within' ? within(100, promise) : waits.within(100, promise);
    expect(await ask(Promise.resolve(1))).toBe(1);
    await expect(ask(Promise.reject(new Error('no')))).rejects.toThrow('no');
    const never = ask(new Promise(() => {}));
    await vi.advanceTimersByTimeAsync(100);
    expect(await never).toBeUndefined();
    waits.end();
    expect(vi.getTimerCount()).toBe(0);
  },
);
