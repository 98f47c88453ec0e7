import type { MessageInitShape } from "@bufbuild/protobuf";
import type { CitationSchema, PassageSchema } from "../../gen/albert/v1/search_pb.js";
import type { Citation, CitedPassage } from "../../search/answers/ask.ts";

// Places and passages as fields of replies.

export function citationFields(citation: Citation): MessageInitShape<typeof CitationSchema> {
  const { file, fileSha256, start, end, sourceStart, sourceEnd } = citation;
  return { file, fileSha256, start, end, sourceStart, sourceEnd };
}

export function passageFields(passage: CitedPassage): MessageInitShape<typeof PassageSchema> {
  return { place: citationFields(passage), text: passage.text, similarity: passage.similarity };
}
