/**
 * Services, messages, enums, methods, fields and extensions as they would stand in a `.proto` file, with
 * comments and options, in their order.
 *
 * @module
 */
import protobuf from "protobufjs";
import { fullName, protoName } from "../../shared/codec/fields.ts";
import { printable } from "../../shared/text/printable.ts";

/** The text of what has this full name; `undefined` if there is nothing of that name. */
export function describe(root: protobuf.Root, symbol: string): string | undefined {
  const object = root.lookup(`.${symbol}`);
  if (object !== null) return textOf(object);
  const dot = symbol.lastIndexOf(".");
  const last = symbol.slice(dot + 1);
  const outer = root.lookup(dot < 0 ? "." : `.${symbol.slice(0, dot)}`);
  if (outer instanceof protobuf.Enum && Object.hasOwn(outer.values, last)) return textOf(outer);
  if (outer instanceof protobuf.Type) {
    const field = outer.fieldsArray.find((one) => protoName(one) === last);
    if (field !== undefined) return lines(fieldLines(field));
  }
  // A value of an enum is a sibling of its enum.
  if (outer instanceof protobuf.Namespace) {
    const holder = outer.nestedArray.find((one) =>
      one instanceof protobuf.Enum && Object.hasOwn(one.values, last)
    );
    if (holder !== undefined) return textOf(holder);
  }
  return undefined;
}

function textOf(object: protobuf.ReflectionObject): string | undefined {
  if (object instanceof protobuf.Service) return lines(serviceLines(object));
  if (object instanceof protobuf.Type) return lines(messageLines(object, fullName(object)));
  if (object instanceof protobuf.Enum) return lines(enumLines(object, fullName(object)));
  if (object instanceof protobuf.Method) return lines(methodLines(object));
  if (object instanceof protobuf.Field) {
    if (object.extend === undefined) return lines(fieldLines(object));
    const extended = object.extensionField?.parent ?? null;
    return lines([
      ...commentLines(object.comment),
      `extend ${typeName(extended, object.extend)} {`,
      ...indented(fieldLines(object, { extension: fullName(object) })),
      "}",
    ]);
  }
  if (object instanceof protobuf.OneOf) return textOf(object.parent!);
  return undefined;
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}

function indented(all: readonly string[]): string[] {
  return all.map((line) => line === "" ? "" : `  ${line}`);
}

function block(head: string, body: readonly string[]): string[] {
  return [`${head} {`, ...indented(body), "}"];
}

function commentLines(comment: string | null | undefined): string[] {
  if (!comment) return [];
  return comment.trimEnd().split("\n").map((line) => `// ${printable(line)}`.trimEnd());
}

function serviceLines(service: protobuf.Service): string[] {
  const options = isDeprecated(service) ? ["option deprecated = true;"] : [];
  return [
    ...commentLines(service.comment),
    ...block(`service ${fullName(service)}`, [
      ...options,
      ...service.methodsArray.flatMap(methodLines),
    ]),
  ];
}

function methodLines(method: protobuf.Method): string[] {
  method.resolve();
  const request = typeName(method.resolvedRequestType, method.requestType);
  const response = typeName(method.resolvedResponseType, method.responseType);
  const to = `${method.requestStream ? "stream " : ""}${request}`;
  const from = `${method.responseStream ? "stream " : ""}${response}`;
  const head = `rpc ${method.name}(${to}) returns (${from})`;
  const idempotency = method.options?.["idempotency_level"];
  const options = [
    ...(isDeprecated(method) ? ["option deprecated = true;"] : []),
    ...(idempotency === undefined ? [] : [`option idempotency_level = ${idempotency};`]),
  ];
  return [
    ...commentLines(method.comment),
    ...(options.length === 0 ? [`${head};`] : block(head, options)),
  ];
}

function messageLines(type: protobuf.Type, name: string): string[] {
  return [...commentLines(type.comment), ...block(`message ${name}`, bodyLines(type))];
}

function bodyLines(type: protobuf.Type): string[] {
  const body: string[] = isDeprecated(type) ? ["option deprecated = true;"] : [];
  const written = new Set<protobuf.OneOf>();
  for (const field of type.fieldsArray) {
    const { partOf } = field;
    if (partOf === null || partOf.isProto3Optional) body.push(...fieldLines(field));
    else if (!written.has(partOf)) {
      written.add(partOf);
      const all = partOf.fieldsArray.flatMap((one) => fieldLines(one));
      body.push(...commentLines(partOf.comment), ...block(`oneof ${partOf.name}`, all));
    }
  }
  for (const range of type.reserved ?? []) body.push(`reserved ${rangeText(range)};`);
  for (const [start = 0, end = start] of type.extensions ?? []) {
    body.push(`extensions ${rangeText([start, end])};`);
  }
  const groups = new Set(
    type.fieldsArray.filter(({ delimited }) => delimited).map(({ resolvedType }) => resolvedType),
  );
  for (const inner of type.nestedArray) {
    // A group stands where its field is.
    if (inner instanceof protobuf.Type && !groups.has(inner)) {
      body.push("", ...messageLines(inner, inner.name));
    } else if (inner instanceof protobuf.Enum) body.push("", ...enumLines(inner, inner.name));
    else if (inner instanceof protobuf.Field && inner.extend !== undefined) {
      const extended = inner.extensionField?.parent ?? null;
      const head = `extend ${typeName(extended, inner.extend)}`;
      const fields = fieldLines(inner, { extension: inner.name });
      body.push("", ...commentLines(inner.comment), ...block(head, fields));
    }
  }
  if (body[0] === "") body.shift();
  return body;
}

const MAX_NUMBER = 536_870_911;

function rangeText(range: string | readonly number[]): string {
  if (typeof range === "string") return JSON.stringify(range);
  const [start = 0, end = start] = range;
  return start === end ? String(start) : `${start} to ${end >= MAX_NUMBER ? "max" : end}`;
}

/** @param extension Its name as an extension within `extend { … }`, whose comment stands before that. */
function fieldLines(
  field: protobuf.Field,
  { extension }: { readonly extension?: string } = {},
): string[] {
  const name = extension ??
    (field.declaringField ? `[${protoName(field)}]` : protoName(field));
  const { id, type, repeated, required, partOf, resolvedType } = field.resolve();
  const one = typeName(resolvedType, type);
  const label = repeated
    ? "repeated "
    : required
    ? "required "
    : partOf?.isProto3Optional || (partOf === null && field.hasPresence)
    ? "optional "
    : "";
  const options = optionsText(field);
  const comment = extension !== undefined
    ? []
    : commentLines((field.declaringField ?? field).comment);
  if (resolvedType instanceof protobuf.Type && field.delimited) {
    const head = `${label}group ${resolvedType.name} = ${id}${options}`;
    const lines = comment.length > 0 ? comment : commentLines(resolvedType.comment);
    return [...lines, ...block(head, bodyLines(resolvedType))];
  }
  const whole = field instanceof protobuf.MapField ? `map<${field.keyType}, ${one}>` : label + one;
  return [...comment, `${whole} ${name} = ${id}${options};`];
}

function optionsText(field: protobuf.Field): string {
  const { options = {}, resolvedType } = field;
  const found: string[] = [];
  const initial = options["default"];
  if (initial !== undefined) {
    const isWord = resolvedType instanceof protobuf.Enum || typeof initial !== "string";
    found.push(`default = ${isWord ? String(initial) : JSON.stringify(initial)}`);
  }
  if (isDeprecated(field)) found.push("deprecated = true");
  const { jsonName } = field;
  const isUsual = field.declaringField || jsonName === undefined;
  if (!isUsual && jsonName !== protobuf.util.jsonName(protoName(field))) {
    found.push(`json_name = ${JSON.stringify(jsonName)}`);
  }
  return found.length === 0 ? "" : ` [${found.join(", ")}]`;
}

function enumLines(type: protobuf.Enum, name: string): string[] {
  const values = Object.entries(type.values).flatMap(([value, number]) => {
    const isOld = type.valuesOptions?.[value]?.["deprecated"] === true;
    return [
      ...commentLines(type.comments[value]),
      `${value} = ${number}${isOld ? " [deprecated = true]" : ""};`,
    ];
  });
  const options = isDeprecated(type) ? ["option deprecated = true;"] : [];
  return [...commentLines(type.comment), ...block(`enum ${name}`, [...options, ...values])];
}

function isDeprecated({ options }: protobuf.ReflectionObject): boolean {
  return options?.["deprecated"] === true;
}

function typeName(resolved: protobuf.ReflectionObject | null, written: string): string {
  return resolved === null ? written.replace(/^\./, "") : fullName(resolved);
}
