import type { AlbertConfig } from "./config.ts";
import type { Head } from "./heads.ts";

// Every variable of a model with its shape, initialiser and names: the one table that graphs, checkpoints and
// optimizers share.

/** How a parameter starts before any checkpoint is read. */
export type Initializer =
  /** Mean 0; values beyond two standard deviations are drawn again; no variance correction. */
  | { readonly kind: "truncated-normal"; readonly stddev: number }
  | { readonly kind: "zeros" }
  | { readonly kind: "ones" };

/** One trainable variable of a model. */
export interface ParameterSpec {
  /** Official (TensorFlow) variable name; the key of `Parameters` everywhere in the program. */
  readonly name: string;
  /** Shape in the official layout: kernels are `[in, out]`. */
  readonly shape: readonly number[];
  readonly initializer: Initializer;
  /** Name in a Hugging Face safetensors file of an ALBERT; another family has its own, see `families/`. */
  readonly hfName: string;
  /** Whether the Hugging Face tensor is the transpose (`[out, in]`). */
  readonly hfTransposed: boolean;
}

/** Head classifiers of the official fine-tuning scripts start at this deviation whatever the configuration says. */
const SCRIPT_HEAD_STDDEV = 0.02;

/** Every variable of the trunk (embeddings, encoder, pooler) in the official order of creation. */
export function trunkParameters(config: AlbertConfig): ParameterSpec[] {
  const { vocabSize: V, embeddingSize: E, hiddenSize: H, intermediateSize: F } = config;
  const normal: Initializer = { kind: "truncated-normal", stddev: config.initializerRange };
  const specs: ParameterSpec[] = [
    table("bert/embeddings/word_embeddings", [V, E], normal, "albert.embeddings.word_embeddings.weight"),
  ];
  if (config.typeVocabSize > 0) {
    specs.push(
      table(
        "bert/embeddings/token_type_embeddings",
        [config.typeVocabSize, E],
        normal,
        "albert.embeddings.token_type_embeddings.weight",
      ),
    );
  }
  specs.push(
    table(
      "bert/embeddings/position_embeddings",
      [config.maxPositionEmbeddings, E],
      normal,
      "albert.embeddings.position_embeddings.weight",
    ),
    ...layerNorm("bert/embeddings/LayerNorm", E, "albert.embeddings.LayerNorm"),
  );
  if (config.embeddingProjection) {
    specs.push(
      ...dense("bert/encoder/embedding_hidden_mapping_in", E, H, normal, "albert.encoder.embedding_hidden_mapping_in"),
    );
  }
  for (let group = 0; group < config.numHiddenGroups; group++) {
    for (let inner = 0; inner < config.innerGroupNum; inner++) {
      const tf = blockScope(group, inner);
      const hf = `albert.encoder.albert_layer_groups.${group}.albert_layers.${inner}`;
      specs.push(
        ...dense(`${tf}/attention_1/self/query`, H, H, normal, `${hf}.attention.query`),
        ...dense(`${tf}/attention_1/self/key`, H, H, normal, `${hf}.attention.key`),
        ...dense(`${tf}/attention_1/self/value`, H, H, normal, `${hf}.attention.value`),
        ...dense(`${tf}/attention_1/output/dense`, H, H, normal, `${hf}.attention.dense`),
        ...layerNorm(`${tf}/LayerNorm`, H, `${hf}.attention.LayerNorm`),
        ...dense(`${tf}/ffn_1/intermediate/dense`, H, F, normal, `${hf}.ffn`),
        ...dense(`${tf}/ffn_1/intermediate/output/dense`, F, H, normal, `${hf}.ffn_output`),
        ...layerNorm(`${tf}/LayerNorm_1`, H, `${hf}.full_layer_layer_norm`),
      );
    }
  }
  specs.push(...dense("bert/pooler/dense", H, H, normal, "albert.pooler"));
  return specs;
}

/** Variable-name scope of one block: every layer that maps to `group` runs its inner blocks 0..I-1 in turn. */
export function blockScope(group: number, inner: number): string {
  return `bert/encoder/transformer/group_${group}/inner_group_${inner}`;
}

/** The variables of one head; a tied masked-LM output matrix is the word embedding table itself. */
export function headParameters(config: AlbertConfig, head: Head): ParameterSpec[] {
  const { vocabSize: V, embeddingSize: E, hiddenSize: H } = config;
  const normal: Initializer = { kind: "truncated-normal", stddev: config.initializerRange };
  const scripted: Initializer = { kind: "truncated-normal", stddev: SCRIPT_HEAD_STDDEV };
  const tf = (name: string) => (head.scope === undefined ? name : `heads/${head.scope}/${name}`);
  const hf = (name: string) => (head.scope === undefined ? name : `heads.${head.scope}.${name}`);
  const outputs = (prefix: string, rows: number, initializer: Initializer, hfPrefix: string): ParameterSpec[] => [
    table(tf(`${prefix}output_weights`), [rows, H], initializer, hf(`${hfPrefix}.weight`)),
    vector(tf(`${prefix}output_bias`), rows, { kind: "zeros" }, hf(`${hfPrefix}.bias`)),
  ];
  switch (head.kind) {
    case "classification":
      return outputs("", head.labels.length, scripted, "classifier");
    case "multiple-choice":
      return outputs("", 1, scripted, "classifier");
    case "span":
      return outputs("cls/squad/", 2, scripted, "qa_outputs");
    case "sentence-order":
      return outputs("cls/seq_relationship/", 2, normal, "sop_classifier.classifier");
    case "masked-lm":
      return [
        ...dense(tf("cls/predictions/transform/dense"), H, E, normal, hf("predictions.dense")),
        ...layerNorm(tf("cls/predictions/transform/LayerNorm"), E, hf("predictions.LayerNorm")),
        vector(
          tf("cls/predictions/output_bias"),
          V,
          { kind: "zeros" },
          hf(head.untied ? "predictions.decoder.bias" : "predictions.bias"),
        ),
        ...(head.untied
          ? [table(tf("cls/predictions/output_weights"), [V, E], normal, hf("predictions.decoder.weight"))]
          : []),
      ];
    case "span-answerability":
      return [
        ...dense(tf("start_logits/dense"), H, 1, normal, hf("start_logits.dense")),
        ...dense(tf("end_logits/dense_0"), 2 * H, H, normal, hf("end_logits.dense_0")),
        ...layerNorm(tf("end_logits/LayerNorm"), H, hf("end_logits.LayerNorm")),
        ...dense(tf("end_logits/dense_1"), H, 1, normal, hf("end_logits.dense_1")),
        ...dense(tf("answer_class/dense_0"), 2 * H, H, normal, hf("answer_class.dense_0")),
        {
          name: tf("answer_class/dense_1/kernel"),
          shape: [H, 1],
          initializer: normal,
          hfName: hf("answer_class.dense_1.weight"),
          hfTransposed: true,
        },
      ];
  }
}

/** Every variable of a model: the trunk, then each head. */
export function modelParameters(config: AlbertConfig, heads: readonly Head[]): ParameterSpec[] {
  return [...trunkParameters(config), ...heads.flatMap((head) => headParameters(config, head))];
}

/**
 * Whether the official optimizers leave a variable out of weight decay and of LAMB's layer adaptation: any whose name
 * matches `LayerNorm`, `layer_norm` or `bias`.
 */
export function excludedFromDecay(name: string): boolean {
  return /LayerNorm|layer_norm|bias/.test(name);
}

function table(name: string, shape: readonly number[], initializer: Initializer, hfName: string): ParameterSpec {
  return { name, shape, initializer, hfName, hfTransposed: false };
}

function vector(name: string, size: number, initializer: Initializer, hfName: string): ParameterSpec {
  return table(name, [size], initializer, hfName);
}

function dense(
  name: string,
  inputs: number,
  outputs: number,
  initializer: Initializer,
  hfName: string,
): ParameterSpec[] {
  return [
    { name: `${name}/kernel`, shape: [inputs, outputs], initializer, hfName: `${hfName}.weight`, hfTransposed: true },
    vector(`${name}/bias`, outputs, { kind: "zeros" }, `${hfName}.bias`),
  ];
}

function layerNorm(name: string, size: number, hfName: string): ParameterSpec[] {
  return [
    vector(`${name}/gamma`, size, { kind: "ones" }, `${hfName}.weight`),
    vector(`${name}/beta`, size, { kind: "zeros" }, `${hfName}.bias`),
  ];
}
