import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { ERROR_ROWS, STATUS_OF_CODE } from "../src/server/errors/error-table.ts";

const root = join(import.meta.dirname, "..");
const PACKAGE = "albert.v1";

/** Field numbers of descriptors, of which the addresses of comments are made. */
const FILE_SYNTAX = 12;
const FILE_MESSAGE = 4;
const FILE_ENUM = 5;
const FILE_SERVICE = 6;
/** Methods of a service, fields of a message, values of an enum: all have the same number. */
const MEMBER = 2;

/** Comments by the address of what they stand above. */
type Comments = ReadonlyMap<string, string>;

interface ContractFile {
  readonly file: FileDescriptorProto;
  readonly comments: Comments;
  /** What the file says before everything else. */
  readonly preamble: string;
}

/**
 * The whole of `docs/api.md`: every service, call, message and enum of the contract with the comments of its `.proto`
 * files, which are read through `buf`.
 */
export function apiPage(): string {
  const files = contract();
  const blocks = [
    "# API",
    "This page is generated from `proto/albert/v1/` by `npm run docs`; a test fails when it differs.",
    ...files.map(({ preamble }) => preamble).filter((text) => text !== ""),
    ...files.flatMap(services),
    "## Errors",
    errorReasons(),
    "## Messages",
    ...files.flatMap(messages),
    "## Enums",
    ...files.flatMap(enums),
  ];
  return `${blocks.join("\n\n")}\n`;
}

function contract(): ContractFile[] {
  const buf = join(root, "node_modules/.bin/buf");
  const image = execFileSync(buf, ["build", "--as-file-descriptor-set", "-o", "-"], { cwd: root });
  return fromBinary(FileDescriptorSetSchema, image)
    .file.filter((file) => file.package === PACKAGE)
    .map((file) => {
      const locations = file.sourceCodeInfo?.location ?? [];
      const head = locations.find(({ path }) => path.join() === String(FILE_SYNTAX))?.leadingComments ?? "";
      const comments = locations.map(
        ({ path, leadingComments = "" }) => [path.join(), leadingComments.trim().replace(/\s*\n\s*/g, " ")] as const,
      );
      return { file, comments: new Map(comments), preamble: head.replace(/^ /gm, "").trim() };
    });
}

function services({ file, comments }: ContractFile): string[] {
  return file.service.flatMap((service, i) => [
    `## ${service.name}`,
    `\`${PACKAGE}.${service.name}\`: ${comment(comments, FILE_SERVICE, i)}`,
    table(
      ["call", "takes", "gives", ""],
      service.method.map((method, j) => [
        `**${method.name}**`,
        `${method.clientStreaming ? "stream of " : ""}${typeLink(method.inputType)}`,
        `${method.serverStreaming ? "stream of " : ""}${typeLink(method.outputType)}`,
        comment(comments, FILE_SERVICE, i, MEMBER, j),
      ]),
    ),
  ]);
}

function messages({ file, comments }: ContractFile): string[] {
  return file.messageType.flatMap((message, i) => {
    const rows = message.field.map((field, j) => [
      String(field.number),
      `\`${field.name}\``,
      fieldType(field, message),
      comment(comments, FILE_MESSAGE, i, MEMBER, j),
    ]);
    return [
      `### ${message.name}`,
      ...[comment(comments, FILE_MESSAGE, i)].filter((text) => text !== ""),
      rows.length === 0 ? "No fields." : table(["", "field", "type", ""], rows),
    ];
  });
}

function enums({ file, comments }: ContractFile): string[] {
  return file.enumType.flatMap((one: EnumDescriptorProto, i) => [
    `### ${one.name}`,
    ...[comment(comments, FILE_ENUM, i)].filter((text) => text !== ""),
    table(
      ["", "value", ""],
      one.value.map((value, j) => [
        String(value.number),
        `\`${value.name}\``,
        comment(comments, FILE_ENUM, i, MEMBER, j),
      ]),
    ),
  ]);
}

function errorReasons(): string {
  const statuses = [...new Set(ERROR_ROWS.map(({ code }) => STATUS_OF_CODE[code]))].sort();
  const rows = statuses.map((status) => [
    status,
    ERROR_ROWS.filter(({ code }) => STATUS_OF_CODE[code] === status)
      .map(({ reason }) => `\`${reason}\``)
      .join(" "),
  ]);
  return `Every failure carries \`google.rpc.ErrorInfo\` with a reason; [errors.md](errors.md) says when each comes and whether to retry.\n\n${table(["status", "reasons"], rows)}`;
}

function comment(comments: Comments, ...address: readonly number[]): string {
  return comments.get(address.join()) ?? "";
}

/** A field's type with what surrounds it: `repeated`, `optional`, the choice it belongs to, or `map<key, value>`. */
function fieldType(field: FieldDescriptorProto, message: DescriptorProto): string {
  const entry = message.nestedType.find(
    ({ name, options }) => options?.mapEntry && field.typeName.endsWith(`.${name}`),
  );
  if (entry !== undefined) return `map of ${entry.field.map((part) => fieldType(part, entry)).join(" to ")}`;
  const name = field.typeName === "" ? FieldDescriptorProto_Type[field.type].toLowerCase() : typeLink(field.typeName);
  if (field.label === FieldDescriptorProto_Label.REPEATED) return `repeated ${name}`;
  if (field.proto3Optional) return `optional ${name}`;
  if (Object.hasOwn(field, "oneofIndex")) return `${name}, one of \`${message.oneofDecl[field.oneofIndex]?.name}\``;
  return name;
}

/** A type of this contract as a link to its section; others by their full names. */
function typeLink(fullName: string): string {
  const name = fullName.replace(/^\./, "");
  const own = name.startsWith(`${PACKAGE}.`) ? name.slice(PACKAGE.length + 1) : undefined;
  return own === undefined ? `\`${name}\`` : `[${own}](#${own.toLowerCase()})`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---|").join("")}`, ...rows.map(line)].join("\n");
}
