import { type Module, type Node, nearest, nodeName, PlacewrightError, type TensorRef } from '@placewright/ir';

/** Finds a tensor by its shown name, `tower_0/conv0/Conv2D:0`; without a port it is 0. Throws PW_FETCH_UNKNOWN. */
export type FindTensor = (text: string) => TensorRef;

/** Finds tensors of a graph, whose names are indexed when the first is asked for. */
export function tensorFinder(
  { graph }: Pick<Module, 'graph'>,
  nameOf: (node: Node) => string = nodeName,
): FindTensor {
  let index: ReadonlyMap<string, Node> | undefined;
  return (text) => {
    index ??= new Map([...graph.nodes.values()].map((node) => [nameOf(node), node]));
    const match = /^(.*):(\d+)$/s.exec(text);
    const node = index.get(match?.[1] ?? text);
    const port = Number(match?.[2] ?? 0);
    if (node?.outputs[port] === undefined) throw unknownTensor(text, match?.[1] ?? text, [...index.keys()]);
    return { node: node.id, port };
  };
}

function unknownTensor(text: string, wanted: string, names: readonly string[]): PlacewrightError {
  const near = nearest(wanted, names);
  return new PlacewrightError('PW_FETCH_UNKNOWN', `there is no tensor ${JSON.stringify(text)}`, {
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

export function sessionClosed(): PlacewrightError {
  return new PlacewrightError('PW_SESSION_CLOSED', 'the session is closed', {
    hint: 'load the module again',
  });
}
