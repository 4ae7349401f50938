import { type DeviceName, formatDevice, PlacewrightError, parseDevice } from '@placewright/ir';

/** Names of devices in a GraphDef, where they are others than the module's: `/device:GPU:0` → `/device:CPU:1`. */
export type DeviceNames = ReadonlyMap<DeviceName, DeviceName>;

export const SAME_DEVICES: DeviceNames = new Map();

/** A device as TensorFlow writes it: with `/replica:0` between a job and a task. */
export function tensorflowDevice(device: DeviceName): string {
  const spec = parseDevice(device);
  if (spec.job === undefined || spec.task === undefined || spec.replica !== undefined) return device;
  return formatDevice({ ...spec, replica: 0 });
}

/** A device of a GraphDef as the IR writes it, without the replica, which is always 0. Throws PW_DEVICE_NAME. */
export function irDevice(text: string): DeviceName {
  const { replica, ...rest } = parseDevice(text);
  return formatDevice(replica === undefined || replica === 0 ? rest : { ...rest, replica });
}

/** The CPU of a device's task: what is computed beside a node without being placed itself runs there. */
export function hostOf(device: DeviceName): DeviceName {
  const { type, ...rest } = parseDevice(device);
  if (type === undefined || type === 'CPU') return device;
  return formatDevice({ ...rest, type: 'CPU', index: 0 });
}

/** Throws PW_GRAPHDEF_DEVICES unless each device gets a name of its own. */
export function checkOneToOne(devices: Iterable<DeviceName>, names: DeviceNames): void {
  const taken = new Map<DeviceName, DeviceName>();
  for (const device of devices) {
    const name = names.get(device) ?? device;
    const other = taken.get(name);
    if (other !== undefined && other !== device) {
      throw new PlacewrightError(
        'PW_GRAPHDEF_DEVICES',
        `${other} and ${device} would both be called ${name}`,
        {
          hint: 'rename devices one to one: what is placed apart stays apart',
        },
      );
    }
    taken.set(name, device);
  }
}
