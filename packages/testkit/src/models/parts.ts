/** A device as its parts; what a name leaves open is missing. */
export interface Parts {
  readonly job?: string;
  readonly task?: number;
  readonly type?: 'CPU' | 'GPU';
  readonly index?: number;
}

/** The name of a device: `/job:ps/task:1/device:CPU:0`; empty where nothing is known. */
export function named({ job, task, type, index }: Parts): string {
  const unit = type === undefined ? '' : `/device:${type}:${index ?? '*'}`;
  return `${job === undefined ? '' : `/job:${job}`}${task === undefined ? '' : `/task:${task}`}${unit}`;
}

/** A wish with what it leaves open taken from a default. A number belongs to its type: another type's is not taken. */
export function filled(wish: Parts, by: Parts): Parts {
  const { index, ...rest } = by;
  const numbered = index !== undefined && (wish.type === undefined || wish.type === by.type);
  return { ...rest, ...(numbered ? { index } : {}), ...wish };
}

/** Whether a device has all that a wish asks for. */
export function meets(device: Parts, wish: Parts): boolean {
  return (
    (wish.job === undefined || wish.job === device.job) &&
    (wish.task === undefined || wish.task === device.task) &&
    (wish.type === undefined || wish.type === device.type) &&
    (wish.index === undefined || wish.index === device.index)
  );
}
