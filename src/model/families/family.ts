import type { AlbertConfig, FamilyTraits } from "../config.ts";
import type { Head, HeadKind } from "../heads.ts";

// What sets a family of models apart from ALBERT: the names and the configuration of its files. Types only; what a family computes
// follows from the configuration alone.

/** A family of models whose trunk is an ALBERT's: one file of this folder each. */
export interface ModelFamily {
  /** `model_type` of its `config.json`, and `AlbertConfig.family`. */
  readonly name: string;
  /** With what the names of its classes in Hugging Face's library begin: "Bert" of `BertForMaskedLM`. */
  readonly classPrefix: string;
  /** Its classes with other heads than the class of that name has in ALBERT, or that ALBERT lacks, and the heads they have. */
  readonly ownClasses: Readonly<Record<string, readonly HeadKind[]>>;
  /** What stands before the names of the trunk in a file that also holds a head. */
  readonly trunkPrefix: string;
  /** The masked-LM output layer, whose weight is the word embedding table itself where it is tied. */
  readonly decoder: string;
  /** Tensors of heads that are not taken; a person is told that they are left. */
  readonly leftAside?: RegExp;
  /** Whether its files hold the projection from E to H also where both are equal. */
  readonly storesIdentityProjection: boolean;
  /**
   * The name in its files of the tensor that an ALBERT's file calls `albertName`.
   *
   * @param kinds  the heads without a scope in the same file: where a dense layer lies may depend on them
   */
  tensorName(albertName: string, kinds: ReadonlySet<HeadKind>): string;
  /** The name in its TensorFlow checkpoints of an official variable. Absent: none are read. */
  readonly tensorFlowName?: (variable: string) => string;
  /**
   * Its `config.json` under ALBERT's keys, for `parseAlbertConfig`, with defaults of the family for those that are absent.
   *
   * @throws AlbertError unimplemented (ARCHITECTURE_UNKNOWN) naming the key whose value ALBERT's trunk cannot compute
   */
  readConfig(json: Readonly<Record<string, unknown>>): { json: Record<string, unknown>; traits: FamilyTraits };
  /** The configuration under its own keys. What Hugging Face's library alone reads is added by the caller. */
  writeConfig(config: AlbertConfig): Record<string, unknown>;
  /** Refuses heads that its classes compute in another way. @throws AlbertError as `readConfig` */
  readonly checkHeads?: (config: AlbertConfig, json: Readonly<Record<string, unknown>>, heads: readonly Head[]) => void;
}
