import { create } from "@bufbuild/protobuf";
import { type Command, Option } from "commander";
import { AlbertError } from "../../errors.ts";
import {
  DeleteJudgementsResponseSchema,
  type KeptAnswer,
  type ListAnswersResponse,
  ListAnswersResponseSchema,
  StoreJudgementsResponseSchema,
} from "../../gen/albert/v1/models_pb.js";
import { percent } from "../percent.ts";
import { type AdminFlags, addAdminOptions, allPages, columns, print, wholeNumber, withAdmin } from "./admin-call.ts";

interface ListFlags extends AdminFlags {
  readonly most: number;
}

/** Adds `albert feedback`: answers of a running server that people judge. */
export function registerFeedback(program: Command): void {
  const feedback = program
    .command("feedback")
    .description("judge answers of a running server, and make data of what was judged");
  addAdminOptions(feedback.command("list <model>").description("list answers that wait to be judged, least sure first"))
    .option("--most <n>", "list at most so many", wholeNumber, 20)
    .action((model: string, flags: ListFlags) =>
      withAdmin(flags, async ({ models }) => {
        let last: ListAnswersResponse | undefined;
        let left = flags.most;
        const answers = await allPages(
          async (pageToken) => {
            const page = await models.listAnswers({ model, pageToken, pageSize: Math.min(1000, Math.max(1, left)) });
            left -= page.answers.length;
            last ??= page;
            return left > 0 ? page : { ...page, nextPageToken: "" };
          },
          (page) => page.answers,
        );
        const reply = create(ListAnswersResponseSchema, { ...last!, answers, nextPageToken: "" });
        print(flags, ListAnswersResponseSchema, reply, () => lines(model, reply));
      }),
    );
  addAdminOptions(feedback.command("judge <model> <answer> [label]").description("say which label is right"))
    .addOption(new Option("--skip", "say nothing of it; it is not shown again"))
    .action((model: string, answerId: string, label: string | undefined, flags: AdminFlags & { skip?: true }) =>
      withAdmin(flags, async ({ models }) => {
        if ((label === undefined) === (flags.skip === undefined)) {
          const message = "give the right label, or --skip";
          throw new AlbertError("invalid-input", message, { reason: "FIELD_INVALID" });
        }
        const verdict =
          label === undefined ? ({ case: "skip", value: true } as const) : ({ case: "label", value: label } as const);
        await models.judgeAnswer({ model, answerId, verdict });
        const said = label ?? "passed over";
        process.stdout.write(flags.json ? `${JSON.stringify({ answer: answerId, said })}\n` : `${answerId}  ${said}\n`);
      }),
    );
  addAdminOptions(feedback.command("store <model>").description("make what was judged a data set to train on"))
    .option("--name <name>", "name of the data set (default: feedback-MODEL.jsonl)")
    .action((model: string, flags: AdminFlags & { readonly name?: string }) =>
      withAdmin(flags, async ({ models }) => {
        const reply = await models.storeJudgements({ model, name: flags.name ?? "" });
        print(flags, StoreJudgementsResponseSchema, reply, () => [
          `${reply.digest}  ${reply.name}  ${reply.rows} rows`,
        ]);
      }),
    );
  addAdminOptions(feedback.command("delete <model>").description("remove what was judged, and what waits")).action(
    (model: string, flags: AdminFlags) =>
      withAdmin(flags, async ({ models }) => {
        const reply = await models.deleteJudgements({ model });
        print(flags, DeleteJudgementsResponseSchema, reply, () => [
          `${reply.judged} judged and ${reply.waiting} waiting answers removed`,
        ]);
      }),
  );
}

const LONGEST_TEXT = 60;

function lines(model: string, { answers, waiting, judged, keeping, accuracies }: ListAnswersResponse): string[] {
  const rows = answers.map((answer) => [
    ...[answer.id, answer.label, percent(answer.probability), answer.version, shortText(answer)],
  ]);
  const none = keeping
    ? `no answer of ${model} waits to be judged`
    : "this server keeps no answers: start it with --feedback-answers 1000";
  return [
    ...(rows.length === 0 ? [none] : columns([["ANSWER", "LABEL", "SURE", "VERSION", "TEXT"], ...rows])),
    `${waiting} wait here, ${judged} judged`,
    ...accuracies.map(
      ({ version, judged: of, right, low, high }) =>
        `version ${version}: ${right} of ${of} right, ${percent(right / of)} (${percent(low)} to ${percent(high)})`,
    ),
  ];
}

function shortText({ text, textPair }: KeptAnswer): string {
  const whole = [text, ...(textPair === undefined ? [] : [textPair])].join(" | ").replaceAll(/\s+/g, " ");
  return whole.length <= LONGEST_TEXT ? whole : `${whole.slice(0, LONGEST_TEXT - 3)}...`;
}
