// @ts-check
/** Schemas of the description as rows that people read. */

/**
 * @typedef {Record<string, any>} Schema
 * @typedef {{name: string, depth: number, type: string, required: boolean, says: string}} Field
 */

/** A schema may refer to itself. */
const DEPTH_MAX = 4;

/** What a reference names. @param {any} spec @param {Schema | undefined} schema @returns {Schema} */
export function resolve(spec, schema) {
  const { $ref: to, ...beside } = schema ?? {};
  if (typeof to !== "string") return schema ?? {};
  const found = to.replace("#/", "").split("/").reduce((part, name) => part?.[name.replaceAll("~1", "/").replaceAll("~0", "~")], spec);
  return { ...found, ...beside };
}

/** The kinds that a value may be of. @param {any} spec @param {Schema} schema @returns {Schema[]} */
function kindsOf(spec, schema) {
  const known = resolve(spec, schema);
  const some = known.anyOf ?? known.oneOf ?? known.allOf;
  return some ? some.flatMap((/** @type {Schema} */ each) => kindsOf(spec, each)) : [known];
}

/** @param {any} spec @param {Schema} schema @param {number} [depth] @returns {string} */
export function typeOf(spec, schema, depth = 0) {
  const words = kindsOf(spec, schema).map((kind) => wordOf(spec, kind, depth));
  return [...new Set(words)].join(" or ");
}

/** @param {any} spec @param {Schema} kind @param {number} depth @returns {string} */
function wordOf(spec, kind, depth) {
  if (kind.const !== undefined) return JSON.stringify(kind.const);
  if (kind.enum) return kind.enum.map((/** @type {unknown} */ value) => JSON.stringify(value)).join(" | ");
  if (depth > DEPTH_MAX) return kind.type ?? "any";
  if (kind.type === "array") return `array of ${typeOf(spec, kind.items ?? {}, depth + 1)}`;
  if (kind.type === "object" && typeof kind.additionalProperties === "object") return `map of ${typeOf(spec, kind.additionalProperties, depth + 1)}`;
  const type = Array.isArray(kind.type) ? kind.type.join(" or ") : (kind.type ?? "any");
  return [type, kind.format && `(${kind.format})`, limitsOf(kind)].filter(Boolean).join(" ");
}

/** @param {Schema} kind */
function limitsOf(kind) {
  const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, minLength, maxLength, pattern } = kind;
  return [
    minimum !== undefined && `≥ ${minimum}`, above !== undefined && `> ${above}`, maximum !== undefined && `≤ ${maximum}`, below !== undefined && `< ${below}`,
    minLength !== undefined && `at least ${minLength} long`, maxLength !== undefined && `at most ${maxLength} long`, pattern && `like ${pattern}`,
  ].filter(Boolean).join(", ");
}

/** The fields of a body, each with those within it below it. @param {any} spec @param {Schema} schema @param {number} [depth] @returns {Field[]} */
export function fieldsOf(spec, schema, depth = 0) {
  if (depth > DEPTH_MAX) return [];
  return kindsOf(spec, schema).flatMap((kind) => {
    const inner = kind.type === "array" ? kind.items : typeof kind.additionalProperties === "object" ? kind.additionalProperties : null;
    const named = Object.entries(kind.properties ?? {}).flatMap(([name, /** @type {Schema} */ field]) => [
      { name, depth, type: typeOf(spec, field), required: (kind.required ?? []).includes(name), says: says(spec, field) },
      ...fieldsOf(spec, field, depth + 1),
    ]);
    return inner && !kind.properties ? fieldsOf(spec, inner, depth) : named;
  });
}

/** What is said of a value, and what it is when it is left out. @param {any} spec @param {Schema} schema */
export function says(spec, schema) {
  const { description, default: usual } = resolve(spec, schema);
  return [description, usual !== undefined && usual !== null && `(default \`${JSON.stringify(usual)}\`)`].filter(Boolean).join(" ");
}
