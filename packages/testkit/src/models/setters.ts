import { filled, type Parts } from './parts.js';

/** A variable as the original's device functions and getters see it. */
export interface Asking {
  readonly elements: number;
  readonly bytes: number;
  /** What the user has asked for; null for nothing. */
  readonly wish: Parts | null;
}

/** One of the original's objects that put variables somewhere, with what it has counted. */
export interface Setter {
  readonly place: (asking: Asking) => Parts;
  readonly counted: readonly number[];
}

/** The first of the smallest numbers. */
function firstLeast(numbers: readonly number[]): number {
  return numbers.indexOf(Math.min(...numbers));
}

function counter(length: number): number[] {
  return new Array<number>(length).fill(0);
}

/** `ParamServerDeviceSetter`: the device with the fewest elements; what has a device is let pass, and not counted. */
export function fewestElements(devices: readonly Parts[]): Setter {
  const counted = counter(devices.length);
  return {
    counted,
    place: ({ elements, wish }) => {
      const at = firstLeast(counted);
      const device = devices[at] ?? {};
      if (wish !== null) return filled(wish, device);
      counted[at] = (counted[at] ?? 0) + elements;
      return device;
    },
  };
}

/**
 * `replica_device_setter`: what asks for no job, or for the servers', is given a server by `choose`, even where it names
 * one itself; what asks for another job is filled in from `beside`. `choose` tells which server, and counts.
 */
function serverSetter(servers: readonly Parts[], beside: Parts, choose: (asking: Asking) => number) {
  return (asking: Asking): Parts => {
    const { wish } = asking;
    if (wish?.job !== undefined && wish.job !== 'ps') return filled(wish, beside);
    return filled(wish ?? {}, servers[choose(asking)] ?? {});
  };
}

/** `GreedyLoadBalancingStrategy` with `byte_size_load_fn`: the server with the fewest bytes. */
export function fewestBytes(servers: readonly Parts[], beside: Parts): Setter {
  const counted = counter(servers.length);
  const choose = ({ bytes }: Asking): number => {
    const at = firstLeast(counted);
    counted[at] = (counted[at] ?? 0) + bytes;
    return at;
  };
  return { counted, place: serverSetter(servers, beside, choose) };
}

/** The strategy that `replica_device_setter` has by itself: one server after the other, whatever the size. */
export function oneAfterTheOther(servers: readonly Parts[], beside: Parts): Setter {
  const counted = counter(servers.length);
  let next = 0;
  const choose = (): number => {
    const at = next;
    next = (next + 1) % servers.length;
    counted[at] = (counted[at] ?? 0) + 1;
    return at;
  };
  return { counted, place: serverSetter(servers, beside, choose) };
}

/** Always the same device, with what a wish asks for. */
export function always(device: Parts): Setter {
  return { counted: [], place: ({ wish }) => filled(wish ?? {}, device) };
}

/** `OverrideCachingDevice`: small variables on the host; others on the device that keeps the fewest elements. */
export function cachingGetter(devices: readonly Parts[], host: Parts): Setter {
  const counted = counter(devices.length);
  return {
    counted,
    place: ({ elements }) => {
      if (elements < 1024 * 64) return host;
      const at = firstLeast(counted);
      counted[at] = (counted[at] ?? 0) + elements;
      return devices[at] ?? {};
    },
  };
}
