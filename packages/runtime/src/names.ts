import { type Module, nearest, nodeName, PlacewrightError, type TensorRef } from '@placewright/ir';

/** The tensor with a shown name, `tower_0/conv0/Conv2D:0`; without a port it is 0. Throws PW_FETCH_UNKNOWN. */
export function fetchRef(module: Module, text: string): TensorRef {
  const match = /^(.*):(\d+)$/s.exec(text);
  const wanted = match?.[1] ?? text;
  const port = Number(match?.[2] ?? 0);
  const names: string[] = [];
  for (const node of module.graph.nodes.values()) {
    const name = nodeName(node);
    if (name === wanted && node.outputs[port] !== undefined) return { node: node.id, port };
    names.push(name);
  }
  const near = nearest(wanted, names);
  throw new PlacewrightError('PW_FETCH_UNKNOWN', `there is no tensor ${JSON.stringify(text)}`, {
    hint:
      near === undefined
        ? 'write it like tower_0/conv0/Conv2D:0'
        : `did you mean ${JSON.stringify(`${near}:0`)}?`,
  });
}

export function uninitialized(name: string): PlacewrightError {
  return new PlacewrightError(
    'PW_VARIABLE_UNINITIALIZED',
    `variable ${JSON.stringify(name)} has no value yet`,
    {
      hint: 'run the entry init first, or restore a checkpoint',
    },
  );
}

export function unknownVariable(name: string, names: readonly string[]): PlacewrightError {
  const near = nearest(name, names);
  return new PlacewrightError('PW_VARIABLE_UNKNOWN', `there is no variable ${JSON.stringify(name)}`, {
    hint: near === undefined ? 'see readVariables() for the names' : `did you mean ${JSON.stringify(near)}?`,
  });
}

export function sessionClosed(): PlacewrightError {
  return new PlacewrightError('PW_SESSION_CLOSED', 'the session is closed', {
    hint: 'load the module again',
  });
}
