/** Where workers wait for each other, so that something can be done while none of them runs. */
export interface Rendezvous<T> {
  /** Waits until all that have not left have arrived, and for what is then done. Rejects with what that failed with. */
  arrive(worker: number, value: T): Promise<void>;
  /** The worker arrives no more; the value is its last. */
  leave(worker: number, value: T): void;
}

interface Waiting<T> {
  readonly value: T;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** `meet` is given what each worker has arrived or left with, by its number. */
export function createRendezvous<T>(
  workers: readonly number[],
  meet: (values: ReadonlyMap<number, T>) => Promise<void>,
): Rendezvous<T> {
  const absent = new Set(workers);
  const waiting = new Map<number, Waiting<T>>();
  const left = new Map<number, T>();
  const meetIfAllAreThere = (): void => {
    if (absent.size > 0 || waiting.size === 0) return;
    const met = new Map(waiting);
    waiting.clear();
    for (const worker of met.keys()) absent.add(worker);
    const values = [...met].map(([worker, { value }]) => [worker, value] as const);
    meet(new Map([...left, ...values])).then(
      () => {
        for (const { resolve } of met.values()) resolve();
      },
      (error: unknown) => {
        for (const { reject } of met.values()) reject(error);
      },
    );
  };
  return {
    arrive: (worker, value) =>
      new Promise((resolve, reject) => {
        waiting.set(worker, { value, resolve, reject });
        absent.delete(worker);
        meetIfAllAreThere();
      }),
    leave: (worker, value) => {
      left.set(worker, value);
      absent.delete(worker);
      meetIfAllAreThere();
    },
  };
}
