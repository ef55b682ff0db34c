/**
 * Services, messages and enums as they would stand in a `.proto` file.
 *
 * @module
 */
import protobuf from "protobufjs";
import { jsonName, protoName } from "../../shared/codec/fields.ts";

/** The text of what has this full name; `undefined` if that is nothing of these. */
export function describe(root: protobuf.Root, name: string): string | undefined {
  const object = root.lookup(`.${name}`);
  if (object instanceof protobuf.Service) return block(`service ${name}`, serviceLines(object));
  if (object instanceof protobuf.Type) return block(`message ${name}`, messageLines(object));
  if (object instanceof protobuf.Enum) return block(`enum ${name}`, enumLines(object));
  return undefined;
}

function block(head: string, lines: readonly string[]): string {
  return [`${head} {`, ...lines.map((line) => `  ${line}`), "}", ""].join("\n");
}

function serviceLines(service: protobuf.Service): string[] {
  return service.methodsArray.map((method) => {
    method.resolve();
    const request = typeName(method.resolvedRequestType, method.requestType);
    const response = typeName(method.resolvedResponseType, method.responseType);
    const to = `${method.requestStream ? "stream " : ""}${request}`;
    const from = `${method.responseStream ? "stream " : ""}${response}`;
    return `rpc ${method.name}(${to}) returns (${from});`;
  });
}

function messageLines(type: protobuf.Type): string[] {
  const alone = type.fieldsArray.filter(({ partOf }) => partOf === null || partOf.isProto3Optional);
  const oneofs = type.oneofsArray.filter((oneof) => !oneof.isProto3Optional);
  return [
    ...alone.map(fieldLine),
    ...oneofs.flatMap(({ name, fieldsArray }) => [
      `oneof ${name} {`,
      ...fieldsArray.map((field) => `  ${fieldLine(field)}`),
      "}",
    ]),
  ];
}

function fieldLine(field: protobuf.Field): string {
  const { id, type, repeated, partOf, resolvedType } = field.resolve();
  const name = field.declaringField ? jsonName(field) : protoName(field);
  const one = typeName(resolvedType, type);
  const label = repeated ? "repeated " : partOf?.isProto3Optional ? "optional " : "";
  const whole = field instanceof protobuf.MapField ? `map<${field.keyType}, ${one}>` : label + one;
  return `${whole} ${name} = ${id};`;
}

function enumLines({ values }: protobuf.Enum): string[] {
  return Object.entries(values).map(([name, number]) => `${name} = ${number};`);
}

function typeName(resolved: protobuf.ReflectionObject | null, written: string): string {
  return resolved === null ? written : resolved.fullName.slice(1);
}
