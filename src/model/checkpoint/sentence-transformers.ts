import { mkdir, readdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AlbertError, corrupt } from "../../errors.ts";
import { writeNewFile } from "../../platform/atomic-files.ts";
import { readJsonObject, readJsonValue } from "../../platform/json-file.ts";
import type { SentenceEncoding } from "../directory/model-directory.ts";

// The files that the library sentence-transformers adds to a Hugging Face directory: how a text becomes one vector.

/** What a folder of sentence-transformers says beyond its transformer. */
export interface SentenceTransformer {
  readonly encoding: SentenceEncoding;
  /** Longest sequence of its texts, special tokens included; absent: as long as the model's positions allow. */
  readonly maxSequenceLength?: number;
  /** Texts are lower-cased before its tokenizer sees them. */
  readonly lowerCase: boolean;
}

const MODULES_FILE = "modules.json";
/** One for each family, such as `sentence_bert_config.json`; all mean the same. */
const SETTINGS_FILE = /^sentence_\w+_config\.json$/;
/** Newer versions of the library keep the length here. */
const TOKENIZER_FILE = "tokenizer_config.json";
const POOLING_KEY = /^pooling_mode_(.+)$/;
const POOLINGS: Readonly<Record<string, SentenceEncoding["pooling"]>> = {
  cls_token: "cls",
  mean_tokens: "mean",
  cls: "cls",
  mean: "mean",
};

interface Module {
  /** Last part of its class's name. */
  readonly type: string;
  readonly path: string;
}

/**
 * The directory that holds the transformer of a folder of sentence-transformers: the folder itself, or one in it.
 *
 * @returns undefined for a directory that is no such folder
 * @throws AlbertError as `readSentenceTransformer`
 */
export async function transformerDirectory(folder: string): Promise<string | undefined> {
  const modules = await readModules(folder);
  return modules === undefined ? undefined : join(folder, modules[0]!.path);
}

/**
 * Reads how a folder of sentence-transformers makes one vector of a text.
 *
 * @param weights  the file of the transformer's weights, which lies in the folder or in one of it
 * @returns undefined where no `modules.json` is near
 * @throws AlbertError unimplemented (SENTENCE_MODULE_UNSUPPORTED) naming the module or pooling that is not computed here; corrupt or
 *   invalid-input for files that cannot be read
 */
export async function readSentenceTransformer(weights: string): Promise<SentenceTransformer | undefined> {
  const directory = dirname(weights);
  const inside = await readModules(directory);
  const folder = inside === undefined ? join(directory, "..") : directory;
  const modules = inside ?? (await readModules(folder).catch(() => undefined));
  if (modules === undefined || join(folder, modules[0]!.path, ".") !== join(directory, ".")) return undefined;
  const [, pooling, normalize, ...others] = modules;
  const wrong = [pooling, normalize, ...others].find(
    (module, i) => module !== undefined && module.type !== ["Pooling", "Normalize"][i],
  );
  if (pooling === undefined || wrong !== undefined) {
    throw unsupported(wrong === undefined ? "has no Pooling module" : `has a module ${wrong.type} at ${wrong.path}`);
  }
  const settings = await readSettings(directory);
  return {
    encoding: { pooling: await readPooling(join(folder, pooling.path)), normalize: normalize !== undefined },
    ...settings,
  };
}

async function readModules(folder: string): Promise<readonly Module[] | undefined> {
  const file = join(folder, MODULES_FILE);
  if (!(await isFile(file))) return undefined;
  const list = await readJsonValue(file);
  const modules = (Array.isArray(list) ? list : []).flatMap((entry: unknown): Module[] => {
    const { type, path } = (entry ?? {}) as { type?: unknown; path?: unknown };
    const name = typeof type === "string" ? type.split(".").at(-1) : undefined;
    return name === undefined || typeof path !== "string" ? [] : [{ type: name, path }];
  });
  if (!Array.isArray(list) || list.length === 0 || modules.length !== list.length) {
    throw corrupt(`${MODULES_FILE}: expected a list of modules with type and path`);
  }
  if (modules.some(({ path }) => !/^[\w.-]*$/.test(path) || path === "..")) {
    throw corrupt(`${MODULES_FILE}: expected paths of folders next to it`);
  }
  if (modules[0]!.type !== "Transformer") throw unsupported(`begins with a module ${modules[0]!.type}`);
  return modules;
}

async function readPooling(directory: string): Promise<SentenceEncoding["pooling"]> {
  const json = await readJsonObject(join(directory, "config.json"));
  const chosen = Object.entries(json).flatMap(([key, value]) => {
    const mode = POOLING_KEY.exec(key)?.[1];
    return mode !== undefined && value === true ? [mode] : [];
  });
  const { pooling_mode: named } = json;
  const modes = typeof named === "string" ? [named] : chosen;
  const [mode] = modes;
  if (mode === undefined || modes.length > 1 || !Object.hasOwn(POOLINGS, mode)) {
    throw unsupported(`pools by ${modes.join(" and ") || "nothing"}; expected cls_token or mean_tokens alone`);
  }
  return POOLINGS[mode]!;
}

async function readSettings(directory: string): Promise<Pick<SentenceTransformer, "maxSequenceLength" | "lowerCase">> {
  const names = await readdir(directory);
  const name = names.find((file) => SETTINGS_FILE.test(file));
  const settings = name === undefined ? {} : await readJsonObject(join(directory, name));
  const tokenizer = names.includes(TOKENIZER_FILE) ? await readJsonObject(join(directory, TOKENIZER_FILE)) : {};
  const { model_max_length: tokenizerLongest } = tokenizer;
  const { max_seq_length: longest = tokenizerLongest, do_lower_case: lowerCase = false } = settings;
  if (longest !== undefined && longest !== null && (!Number.isInteger(longest) || (longest as number) < 3)) {
    throw corrupt(
      `${name ?? TOKENIZER_FILE}: expected max_seq_length to be an integer of at least 3, got ${JSON.stringify(longest)}`,
    );
  }
  return {
    lowerCase: lowerCase === true,
    ...(typeof longest === "number" ? { maxSequenceLength: longest } : {}),
  };
}

/** Writes the files that make sentence-transformers open a Hugging Face directory of this width, pooled in this way. */
export async function writeSentenceTransformer(
  directory: string,
  { pooling, normalize }: SentenceEncoding,
  sizes: { readonly hiddenSize: number; readonly maxSequenceLength: number },
): Promise<void> {
  const modules = [
    { type: "Transformer", path: "" },
    { type: "Pooling", path: "1_Pooling" },
    ...(normalize ? [{ type: "Normalize", path: "2_Normalize" }] : []),
  ].map(({ type, path }, idx) => ({ idx, name: String(idx), path, type: `sentence_transformers.models.${type}` }));
  const write = (file: string, value: unknown) =>
    writeNewFile(join(directory, file), Buffer.from(`${JSON.stringify(value, null, 2)}\n`, "utf8"));
  await write(MODULES_FILE, modules);
  await write("sentence_bert_config.json", { max_seq_length: sizes.maxSequenceLength, do_lower_case: false });
  await mkdir(join(directory, "1_Pooling"));
  await write("1_Pooling/config.json", {
    word_embedding_dimension: sizes.hiddenSize,
    pooling_mode_cls_token: pooling === "cls",
    pooling_mode_mean_tokens: pooling === "mean",
    pooling_mode_max_tokens: false,
    pooling_mode_mean_sqrt_len_tokens: false,
  });
}

function unsupported(what: string): AlbertError {
  return new AlbertError(
    "unimplemented",
    `the sentence-transformers folder ${what}; what is computed here is Transformer, Pooling and Normalize. To take the transformer alone, remove ${MODULES_FILE} from a copy`,
    { reason: "SENTENCE_MODULE_UNSUPPORTED" },
  );
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
