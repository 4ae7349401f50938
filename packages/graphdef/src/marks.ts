/**
 * Attributes by which a graph of ours is read back. TensorFlow lets attributes be whose names begin with `_`.
 */

/** On a node that is another op of ours than its own op says: which. */
export const OP_MARK = '_placewright_op';
/** On such a node: its attributes, as JSON, and the tensors that it takes, where these follow from nothing else. */
export const ATTRS_MARK = '_placewright_attrs';
export const INPUTS_MARK = '_placewright_inputs';
/** On a node that stands for none of ours: the name of the one that it was made for; empty for helpers of engines. */
export const FOR_MARK = '_placewright_for';
/** The name under which the members of a collective find each other, where TensorFlow has numbers. */
export const SHARED_MARK = '_placewright_shared_name';
/** In front of the names of attributes that our op does not declare. */
export const EXTRA_MARK = '_placewright_attr_';
/** Shapes of a node's outputs, as TensorFlow's own tools write them. */
export const OUTPUT_SHAPES = '_output_shapes';
/** Where the handles of resources stand among a node's inputs, unless they come first. */
export const HANDLES_ATTR = '_placewright_handles';
/** In front of the op of a node that our op of that name cannot express. */
export const OPAQUE_PREFIX = 'tf.';
/** TensorFlow's attribute for colocation, and what its values begin with. */
export const CLASS_ATTR = '_class';
export const CLASS_PREFIX = 'loc:@';
/** The group of a node, where that is not called after the node that the others go with. */
export const GROUP_MARK = '_placewright_group';
/** In front of the names of our functions. */
export const FUNCTION_PREFIX = 'placewright_';
/** Element types of the outputs of a node whose op we do not know. */
export const OUTPUT_TYPES = '_placewright_output_types';
/** Shapes of what a staging area or a queue holds, on the nodes that put into it or give its handle. */
export const HELD_SHAPES = '_placewright_shapes';
/** The name of a node, and of what it acts on, where TensorFlow does not take it. */
export const NAME_MARK = '_placewright_name';
export const RESOURCE_MARK = '_placewright_resource';
