/** Maps values to positions between 0 and 1, with the places for an axis's labels. */
export interface Scale {
  readonly at: (value: number) => number;
  readonly ticks: readonly number[];
  readonly kind: 'linear' | 'log';
}

/** About how many parts an axis has. */
const COUNT = 5;

/** A scale from `low` to at least `high`, whose ends are round numbers; its labels are `least` apart or more. */
export function linearScale(low: number, high: number, least = 0): Scale {
  const span = high > low ? high - low : 1;
  const step = Math.max(least, roundStep(span / COUNT));
  const from = Math.floor(low / step + 1e-9) * step;
  const to = Math.ceil((low + span) / step - 1e-9) * step;
  const ticks = Array.from({ length: Math.round((to - from) / step) + 1 }, (_, i) =>
    Number((from + i * step).toPrecision(12)),
  );
  return { kind: 'linear', ticks, at: (value) => (value - from) / (to - from) };
}

/** 1, 2 or 5 times a power of ten, at least `step`. */
function roundStep(step: number): number {
  const power = 10 ** Math.floor(Math.log10(step));
  return power * ([1, 2, 5].find((digit) => digit * power >= step * (1 - 1e-9)) ?? 10);
}

/** Labels that an axis has room for. */
const MAX_TICKS = 9;

/**
 * A logarithmic scale with labels at 1, 2 and 5 times powers of ten, at the powers alone where those are many, or at
 * every second, third, … power.
 */
export function logScale(low: number, high: number): Scale {
  const all = roundNumbers(low, high, [1, 2, 5]);
  const ticks = all.length > MAX_TICKS ? powers(low, high) : all;
  const [from, to] = [Math.log10(ticks[0] ?? low), Math.log10(ticks.at(-1) ?? high)];
  return { kind: 'log', ticks, at: (value) => (Math.log10(value) - from) / (to - from || 1) };
}

/** Powers of ten around the values, whose exponents are multiples of as small a number as leaves room for labels. */
function powers(low: number, high: number): number[] {
  const [from, to] = [Math.floor(Math.log10(low) + 1e-9), Math.ceil(Math.log10(high) - 1e-9)];
  const every = Math.ceil((to - from) / (MAX_TICKS - 2));
  const [first, last] = [Math.floor(from / every), Math.ceil(to / every)];
  return Array.from({ length: last - first + 1 }, (_, i) => Number(`1e${(first + i) * every}`));
}

/** Round numbers from the last one not above `low` to the first one not below `high`. */
function roundNumbers(low: number, high: number, digits: readonly number[]): number[] {
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power++) {
    for (const digit of digits) all.push(Number(`${digit}e${power}`));
  }
  const first = all.findLastIndex((value) => value <= low);
  const last = all.findIndex((value) => value >= high);
  return all.slice(Math.max(0, first), last < 0 ? undefined : last + 1);
}
